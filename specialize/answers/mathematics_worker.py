"""The worker of ``mathematics``: a line [given, gold] in, a line true or false out.

Its memory and processor time are bounded, and it can write no file.
"""

from __future__ import annotations

import json
import resource
import sys

from math_verify import parse, verify

_GIGABYTE = 1 << 30


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2 * _GIGABYTE, 2 * _GIGABYTE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    print("ready", flush=True)
    for line in sys.stdin:
        given, gold = json.loads(line)
        # the parent keeps the time; the library's own alarms would only double it
        sides = [parse(f"\\boxed{{{side}}}", parsing_timeout=None) for side in (gold, given)]
        print(json.dumps(bool(verify(*sides, timeout_seconds=None))), flush=True)


if __name__ == "__main__":
    main()
