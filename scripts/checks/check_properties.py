"""Try the named properties of alignment and projection, P1 to P20, on very many examples.

    python scripts/checks/check_properties.py [--examples 200000] [--only p13] [--json FILE]

The tests of the suite are called with the strategies they name, but drawn from plainly at random:
without hypothesis's bookkeeping an example takes a fraction of the time, and without its search a
counterexample is not made smaller. It is printed with its traceback, and the exit code is 1.
Examples that a test does not accept do not count.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from hypothesis.control import BuildContext
from hypothesis.errors import StopTest, UnsatisfiedAssumption
from hypothesis.strategies import SearchStrategy
from hypothesis.strategies._internal.lazy import unwrap_strategies

ROOT = Path(__file__).resolve().parent.parent
NAMED = re.compile(r"test_p\d\d_")
MOST_STRATEGIES = 10_000  # that are remembered
LONGEST_TEXT = 24  # characters of ``st.text`` beyond its least
LONGEST = 8  # bytes of ``st.binary`` beyond its least


class Draws:
    """Stands in for hypothesis's ``ConjectureData`` (6.170): the same choices, none remembered."""

    frozen, avoid_realization, depth, unique_element_depth = False, False, 0, 0

    def __init__(self, random: Random, unwrapped: dict[SearchStrategy[Any], Any]) -> None:
        self._random, self._unwrapped = random, unwrapped
        self._shared_data_strategy = self  # of ``st.data()``, which only draws
        self.provider = self

    def draw(self, strategy: SearchStrategy[Any], label: object = None, **_: object) -> Any:
        if strategy not in self._unwrapped:
            if len(self._unwrapped) > MOST_STRATEGIES:  # some are made anew for every example
                self._unwrapped.clear()
            self._unwrapped[strategy] = unwrap_strategies(strategy)
        return self._unwrapped[strategy].do_draw(self)

    def draw_integer(self, min_value: int, max_value: int, *, forced: int | None = None,
                     **_: object) -> int:  # fmt: skip
        return self._random.randint(min_value, max_value) if forced is None else forced

    def draw_boolean(self, p: float = 0.5, *, forced: bool | None = None, **_: object) -> bool:
        return self._random.random() < p if forced is None else forced

    def draw_bytes(self, min_size: int = 0, max_size: int = 1 << 16, **_: object) -> bytes:
        size = self._random.randint(min_size, min(max_size, min_size + LONGEST))
        return self._random.randbytes(size)

    def draw_string(self, intervals: Any, min_size: int = 0, max_size: int = 1 << 16) -> str:
        size = self._random.randint(min_size, min(max_size, min_size + LONGEST_TEXT))
        return "".join(chr(intervals[self._random.randrange(len(intervals))]) for _ in range(size))

    def start_span(self, label: int) -> None:
        self.depth += 1

    def stop_span(self, *, discard: bool = False) -> None:
        self.depth -= 1

    def mark_invalid(self, why: str | None = None) -> None:
        raise UnsatisfiedAssumption(why)

    @contextmanager
    def track_arg_label(self, label: str) -> Iterator[dict[str, object]]:
        yield {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=200_000, help="for each property")
    parser.add_argument("--only", default="", help="properties whose names match this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the counts here")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    found: list[dict[str, object]] = []
    for name, test in properties():
        if re.search(options.only, name):
            found.append(tried(name, test, options.examples, Random(options.seed)))
            print(json.dumps(found[-1]), flush=True)
            if options.json is not None:
                options.json.write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(any(not result["held"] for result in found))


def properties() -> Iterator[tuple[str, Callable[..., None]]]:
    """Every named property of the test suite."""
    for path in sorted((ROOT / "tests").glob("*/test_*.py")):
        if NAMED.search(path.read_text()):
            module = importlib.import_module(f"tests.{path.parent.name}.{path.stem}")
            for name, test in vars(module).items():
                if NAMED.match(name) and hasattr(test, "hypothesis"):
                    yield name, test


def tried(name: str, test: Any, examples: int, random: Random) -> dict[str, object]:
    """Call ``test`` until it has accepted that many examples, or one fails."""
    inner: Callable[..., None] = test.hypothesis.inner_test
    given: Mapping[str, SearchStrategy[Any]] = test.hypothesis._given_kwargs
    unwrapped: dict[SearchStrategy[Any], Any] = {}
    begun, accepted, refused, held = time.monotonic(), 0, 0, True
    while accepted < examples and held:
        draws = Draws(random, unwrapped)
        try:
            with BuildContext(draws, wrapped_test=test):  # type: ignore[arg-type]
                inner(**{key: draws.draw(strategy) for key, strategy in given.items()})
            accepted += 1
        except (UnsatisfiedAssumption, StopTest):
            refused += 1
        except Exception:
            traceback.print_exc()
            held = False
    return {
        "property": name.removeprefix("test_"), "held": held, "examples": accepted,
        "refused": refused, "seconds": round(time.monotonic() - begun, 1),
    }  # fmt: skip


if __name__ == "__main__":
    main()
