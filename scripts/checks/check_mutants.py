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
    Mutant("characters of three bytes are no gaps", "exact/byte_symbols.py",
           "        if point == gap:\n", "        if point == gap and size < 3:\n", SPANS),
    Mutant("a gap that differs is one section", "exact/sections.py",
           "if kind == LITERAL and blank == other_blank:", "if kind > LITERAL:", SPANS),
    Mutant("a folded run is cut", "exact/sections.py",
           "if kind == LITERAL and blank == other_blank:", "if kind == LITERAL:", SPANS),
    Mutant("what a blank folds is literal", "exact/boundaries.py",
           "max(carried, kind)\n            continue", "carried\n            continue", SPANS),
    Mutant("the band is never doubled", "exact/edit_path.py",
           "cost < least * (abs(m - n) + 2 * (width + 1))",
           "cost < least * (abs(m - n) + 2 * (width + 1)) + 10000", "exact/test_edit_path.py"),
    Mutant("ties do not go to the diagonal", "dtw.py", "corner <= best", "corner < best",
           "test_dtw.py"),
    Mutant("log-probabilities along the path are averaged", "prefix/readings.py",
           "reach *= sums[r, WRITTEN]", "reach = np.sqrt(reach * sums[r, WRITTEN])"),
    Mutant("a certain row is read past its word's end", "prefix/readings.py",
           "if cut or tokens[r, ID] == eos", "if tokens[r, ID] == eos"),
    Mutant("unstored mass inside a token is all consistent", "prefix/readings.py",
           "share if pieces > stored else 0.0", "1.0"),
    Mutant("candidates that contradict the row join the tail", "prefix/readings.py",
           "or count > length:\n        return INCONSISTENT",
           "or count > length:\n        return TAIL"),
    Mutant("special tokens leak", "prefix/row_kernel.py",
           "(token >= 0 and flags[token] & (SPECIAL | UNKNOWN))", "False",
           "test_project.py prefix/test_rule.py"),
    Mutant("words that went on otherwise count", "prefix/row_kernel.py",
           "met = left[step - 1] - left[step] if step < end else 0.0", "met = 1.0"),
    Mutant("the end of sequence is forgotten", "prefix/row_kernel.py",
           "rows[p, END_TOKEN], reach * sums[r, END]", "rows[p, END_TOKEN], 0.0"),
    Mutant("a byte is counted twice", "prefix/token_offsets.py",
           "~(fold[self.block] & self.white & before)", "~(fold[self.block] & before)"),
    Mutant("an offset is a byte late", "prefix/token_offsets.py",
           "mine.offset[place] + 1", "mine.offset[place] + 2"),
    Mutant("what another row left counts again", "prefix/top_entries.py",
           "            held[ids[k]] = 0.0\n", ""),
    Mutant("ties are in the order in which they came", "prefix/top_entries.py",
           "key < keys[to - 1]", "key >> HALF < keys[to - 1] >> HALF",
           "prefix/test_top_entries.py"),
    Mutant("what is not kept is lost", "prefix/top_entries.py",
           "tail += max(left, 0.0)", "tail += 0.0"),
    Mutant("a repeated id counts twice", "prefix/teacher_rows.py", "prob[e] = 0.0",
           "prob[e] *= 1.0", "test_project.py prefix/test_teacher_rows.py"),
    Mutant("a word that is alone is counted twice", "prefix/continuations.py",
           "counts = _with_room(counts, 0)\n",
           "counts = _count_all(_with_room(counts, 0), nodes, (first, first + spans[:, LENGTH]),\n"
           "                        words.ids, flags)\n"),
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
