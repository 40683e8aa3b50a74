"""Plant faults in alignment and projection, one at a time, and see that the tests find them.

    python scripts/checks/check_mutants.py [--json FILE] [--only NAME]

Each mutant is a copy of ``align`` and ``tests`` with one expression changed; the tests of alignment
run on it until the first that fails. A mutant that none of them finds is a hole in the tests, and
the exit status says how many there are.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault: ``right`` in a file of ``align`` becomes ``wrong``; ``tests`` may find it."""

    name: str
    file: str
    right: str
    wrong: str
    tests: str = "test_project_rule.py test_project_exact.py test_continuations.py"


SPANS = "test_invariants.py test_spans.py"
MUTANTS = (
    Mutant("a block ends one token late", "marks.py", "= a, i, b\n", "= a, i + one, b\n", SPANS),
    Mutant("an empty block behind the last", "marks.py",
           "    if a == n and b == m:\n        return behind\n",
           "    if a == n and b == m and behind == at:\n        return behind\n"
           "    if a == n and b == m:\n"
           "        groups[behind, 0], groups[behind, 2] = n, m\n"
           "        groups[behind, 1], groups[behind, 3] = n, m\n        return behind + 1\n",
           SPANS),
    Mutant("the last byte of long pieces is dropped", "symbols.py",
           "            for k in range(size):\n",
           "            for k in range(size - np.uint64(1)):\n",
           SPANS),
    Mutant("a piece is a byte too short", "symbols.py", "        to += size\n        ends[t] = to",
           "        ends[t] = to\n        to += size", SPANS),
    Mutant("the band is never doubled", "band.py", "cost < least * (off + 2 * (width + 1))",
           "cost < least * (off + 2 * (width + 1)) + 10000", "test_band.py"),
    Mutant("ties go up before the diagonal", "dtw.py", "if total[j] < best:",
           "if total[j] <= best:", "test_dtw.py"),
    Mutant("a place is a byte late", "places.py",
           "else (j, offset + 1)\n", "else (j, offset + 2)\n"),
    Mutant("the marginal of the first token", "prefix.py",
           "if reach == 0.0 or _closes(", "if reach >= 0.0 or _closes("),
    Mutant("log-probabilities are averaged", "prefix.py",
           "reach *= sums.written[at]", "reach = np.sqrt(reach * sums.written[at])"),
    Mutant("mass behind the path is forgotten", "prefix.py",
           "max(word, TAIL), rest)", "max(word, TAIL), 0.5 * rest)"),
    Mutant("unstored mass inside a token is all consistent", "prefix.py",
           "share = _consistent_share(slots, side, alike, stand.r, stand.r - start, stand.offset)",
           "share = 1.0"),
    Mutant("what another row left behind counts again", "entries.py",
           "        found.held[token - WRONG] = 0.0\n", ""),
    Mutant("what had no room counts twice", "prefix.py",
           "            forget(found, count)\n", "", "test_project.py test_project_rule.py"),
    Mutant("entries stand in the wrong order", "entries.py",
           "b, key = max(b, key), min(b, key)", "b, key = max(b, key), key", "test_entries.py"),
    Mutant("a greater entry stays below", "entries.py",
           "heap[child] <= key:", "heap[child] >= key:", "test_entries.py"),
    Mutant("blocks of later ranges stay where they were made", "spans.py",
           "while first < last and stride > 0:", "while first < last and stride < 0:", SPANS),
    Mutant("candidates that contradict the row count", "outcome.py",
           "            return WRONG\n    if length <= i - anchor",
           "            return TAIL\n    if length <= i - anchor"),
    Mutant("special tokens leak", "outcome.py",
           "return TAIL if flags[token] & (SPECIAL | UNKNOWN) else token", "return token",
           "test_project.py"),
    Mutant("a word that stands alone is not counted", "continuations.py",
           "        counts.times[place] += 1\n        for k", "        for k"),
    Mutant("what was read of a word does not matter", "continuations.py",
           "c, share = seen.behind[e], seen.left[e - 1] - seen.left[e]", "c = seen.behind[e]"),
    Mutant("a rare next token is told apart", "continuations.py",
           "keep * times[kept] >= times", "keep * times[kept] > 0 * times",
           "test_continuations.py"),
    Mutant("words are counted one token early", "continuations.py",
           "places.token[i] < j:", "places.token[i] < j - 1:"),
    Mutant("a repeated id counts twice", "rows.py", "prob[e] = 0.0", "prob[e] *= 1.0",
           "test_project.py test_project_rule.py"),
    Mutant("an id that shares a mark counts as repeated", "rows.py",
           " and _is_listed(rows.ids, start, e)", "", "test_rows.py"),
    Mutant("what is not kept is lost", "entries.py",
           "(tail + max(left, 0.0)) * scale", "tail * scale"),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Faults that the tests must find.")
    parser.add_argument("--json", type=Path, help="also write the verdicts here, as JSON")
    parser.add_argument("--only", help="try the mutants whose names hold this")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if (options.only or "") in mutant.name]
    for mutant in chosen:
        check(mutant)
    verdicts: dict[str, str | None] = {}
    for mutant in chosen:
        verdicts[mutant.name] = found_by(mutant)
        print(f"{mutant.name:50} {verdicts[mutant.name] or 'NOT FOUND'}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(verdicts, indent=1, sort_keys=True) + "\n")
    sys.exit(sum(test is None for test in verdicts.values()))


def check(mutant: Mutant) -> None:
    """Complain where the code is not what the mutant changes."""
    count = (ROOT / "align" / mutant.file).read_text().count(mutant.right)
    if count != 1:
        raise ValueError(
            f"{mutant.name!r} wants {mutant.right!r} once in {mutant.file}, found {count} times; "
            f"the code has changed, change the mutant"
        )


def found_by(mutant: Mutant) -> str | None:
    """The first test that fails on the mutant."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for part in ("align", "tests"):
            shutil.copytree(
                ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__", "specialize")
            )
        shutil.copy(ROOT / "pyproject.toml", root)
        path = root / "align" / mutant.file
        source = path.read_text()
        path.write_text(source.replace(mutant.right, mutant.wrong))
        tests = [str(root / "tests" / "align" / name) for name in mutant.tests.split()]
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=False,
        )
        failed = [line for line in ran.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        if failed:
            return failed[0].split("::")[-1].split(" - ")[0]
        if ran.returncode < 0:
            return f"the process, by signal {-ran.returncode}"
        if ran.returncode != 0:
            raise RuntimeError(f"{mutant.name!r}: pytest did not run:\n{ran.stdout[-2000:]}")
    return None


if __name__ == "__main__":
    main()
