"""Try the named properties of alignment and projection, P1 to P20, on very many examples.

    python scripts/check_properties.py [--examples 200000] [--only p13] [--json FILE]

The tests of the suite are called with random choices instead of hypothesis's search, which takes a
small part of the time for each example; without the search, a counterexample is not made smaller.
It is printed with its traceback, and the exit code is 1. Examples that a test does not accept do
not count.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
NAMED = re.compile(r"test_p\d\d_")
CHOICES = 1 << 12  # random bytes for an example; one that needs more is not accepted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=200_000, help="for each property")
    parser.add_argument("--only", default="", help="properties with this in their name")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the counts here")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    found: list[dict[str, object]] = []
    for name, test in properties():
        if options.only not in name:
            continue
        found.append(tried(name, test, options.examples, Random(options.seed)))
        print(json.dumps(found[-1]), flush=True)
        if options.json is not None:
            options.json.write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(any(not result["held"] for result in found))


def properties() -> Iterator[tuple[str, Callable[[bytes], bytes | None]]]:
    """Every named property, as a function of random bytes that tells whether they made one."""
    for path in sorted((ROOT / "tests").glob("*/test_*.py")):
        if not NAMED.search(path.read_text()):
            continue
        module = importlib.import_module(f"tests.{path.parent.name}.{path.stem}")
        for name, test in vars(module).items():
            if NAMED.match(name) and hasattr(test, "hypothesis"):
                yield name, test.hypothesis.fuzz_one_input


def tried(
    name: str, test: Callable[[bytes], bytes | None], examples: int, random: Random
) -> dict[str, object]:
    """Call ``test`` until it has accepted so many examples, or one fails."""
    begun, accepted, calls, held = time.monotonic(), 0, 0, True
    while accepted < examples and held:
        calls += 1
        try:
            accepted += test(random.randbytes(CHOICES)) is not None
        except Exception:
            traceback.print_exc()
            held = False
    seconds = round(time.monotonic() - begun, 1)
    return {
        "property": name.removeprefix("test_"), "held": held, "examples": accepted,
        "calls": calls, "seconds": seconds,
    }  # fmt: skip


if __name__ == "__main__":
    main()
