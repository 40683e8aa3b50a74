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
    tests: str = "prefix/test_rule.py test_project_exact.py prefix/test_continuations.py"


SPANS = "test_invariants.py test_spans.py"
MUTANTS = (
    Mutant("a block ends one token late", "exact/boundaries.py",
           "= a - start, i - start\n", "= a - start, i - start + 1\n", SPANS),
    Mutant("target tokens after the last shared boundary are left out", "exact/boundaries.py",
           "groups[at - 1, 1], groups[at - 1, 3] = stop - start, other_stop - other_start",
           "groups[at - 1, 1] = stop - start", SPANS),
    Mutant("most gaps of three bytes are not seen", "exact/byte_symbols.py",
           "return 3 if wide or", "return 3 if", SPANS),
    Mutant("the band is never doubled", "exact/edit_path.py",
           "cost < least * (abs(m - n) + 2 * (width + 1))",
           "cost < least * (abs(m - n) + 2 * (width + 1)) + 10000", "exact/test_edit_path.py"),
    Mutant("ties do not go to the diagonal", "dtw.py", "corner <= best", "corner < best",
           "test_dtw.py"),
    Mutant("log-probabilities along the path are averaged", "prefix/row_kernel.py",
           "reach *= sums[r, WRITTEN]", "reach = np.sqrt(reach * sums[r, WRITTEN])"),
    Mutant("a certain row is read past its word's end", "prefix/row_kernel.py",
           "ended |= tokens[r, CUT] > (offset if r == here else 0)", "ended |= False"),
    Mutant("unstored mass inside a token is all consistent", "prefix/row_kernel.py",
           "rest * (1.0 - share), rows", "rest * 0.0, rows"),
    Mutant("candidates that contradict the row join the tail", "prefix/row_kernel.py",
           "            return INCONSISTENT\n    if count < 0",
           "            return TAIL\n    if count < 0"),
    Mutant("special tokens leak", "prefix/row_kernel.py",
           "return TAIL if shard.flags[token] & (SPECIAL | UNKNOWN) else token", "return token",
           "test_project.py"),
    Mutant("what another row left counts again", "prefix/top_entries.py",
           "        held[token] = 0.0\n", ""),
    Mutant("ties are in the wrong order", "prefix/top_entries.py",
           "token < ids[to - 1]", "token > ids[to - 1]", "prefix/test_top_entries.py"),
    Mutant("what is not kept is lost", "prefix/top_entries.py",
           "tail += max(left, 0.0)", "tail += 0.0"),
    Mutant("a repeated id counts twice", "prefix/teacher_rows.py", "prob[e] = 0.0",
           "prob[e] *= 1.0", "test_project.py prefix/test_teacher_rows.py"),
    Mutant("a word that is alone is counted twice", "prefix/continuations.py",
           "times[position] += 1\n", "times[position] += 2\n"),
    Mutant("rare next tokens are distinguished", "prefix/continuations.py",
           "(PART * keep * times[kept] >= times[parent][which])",
           "(PART * keep * times[kept] >= 0)", "prefix/test_continuations.py"),
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
