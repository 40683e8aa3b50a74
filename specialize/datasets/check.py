"""What a user's own file says, before anything is trained on it: ``specialize data check FILE``.

check_file(Path("mine.jsonl")).lines()
mine.jsonl: 1,200 records, 1,198 of them examples
fields: answer 1,200, question 1,199, source 1,200 (not read)
answers: number 1,150, text 48
...
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from specialize.answers import parse_number
from specialize.datasets.sets.jsonl import FIELDS, own_example
from specialize.datasets.tables import file_of, records_of
from specialize.errors import InputError
from specialize.io.visible import visible
from specialize.records import Example, question_key

SHOWN = 20  # problems that are printed


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What was understood of a file.

    Attributes:
        path: the file.
        records: how many it holds.
        fields: how many records have each field.
        answers: how many examples have an answer of each type.
        repeated: questions that are asked more than once.
        first: the first example.
        problems: what is wrong, by line.
    """

    path: Path
    records: int
    fields: Counter[str]
    answers: Counter[str]
    repeated: int
    first: Example | None
    problems: list[str]

    def lines(self) -> list[str]:
        """The report, one line a finding."""
        unread = {name for name in self.fields if name not in FIELDS}
        fields = (
            f"{visible(name)} {count:,}{' (not read)' if name in unread else ''}"
            for name, count in sorted(self.fields.items())
        )
        answers = (f"{kind} {count:,}" for kind, count in self.answers.most_common())
        found = [
            f"{self.path}: {self.records:,} records, {self.answers.total():,} of them examples",
            f"fields: {', '.join(fields) or 'none'}",
            f"answers: {', '.join(answers) or 'none'}",
            f"questions asked more than once: {self.repeated:,}",
        ]
        if self.first is not None:
            shown = {"id": self.first.id, "question": self.first.text, "answer": self.first.answer}
            found += [f"first {key}: {visible(value)[:200]}" for key, value in shown.items()]
        found.append(f"problems: {len(self.problems):,}")
        alike = list(self._alike().values())
        found += [
            f"  {visible(first)}{f' (and {count - 1:,} more like it)' if count > 1 else ''}"
            for first, count in alike[:SHOWN]
        ]
        if len(alike) > SHOWN:
            found.append(f"  and {sum(count for _, count in alike[SHOWN:]):,} more")
        return found

    def _alike(self) -> dict[str, tuple[str, int]]:
        """Problems that differ in nothing but the line: the first of each, and how many."""
        alike: dict[str, tuple[str, int]] = {}
        for problem in self.problems:
            what = problem.removeprefix(str(self.path)).partition(": ")[2] or problem
            first, count = alike.get(what, (problem, 0))
            alike[what] = first, count + 1
        return alike

    def as_json(self) -> dict[str, object]:
        """The report for a program."""
        return {
            "path": str(self.path),
            "records": self.records,
            "examples": self.answers.total(),
            "fields": dict(self.fields),
            "answers": dict(self.answers),
            "repeated": self.repeated,
            "problems": self.problems,
        }


def check_file(path: Path, split: str | None = None) -> FileCheck:
    """Read every record of a file and say what was understood; single faults do not end it.

    Raises:
        InputError: the file as a whole cannot be read.
    """
    path = file_of(path, split)
    problems: list[str] = []
    fields, answers = Counter[str](), Counter[str]()
    ids: set[str] = set()
    questions: set[str] = set()
    first, records, repeated = None, 0, 0
    for at, (where, record) in enumerate(records_of(path, problems)):
        records += 1
        fields.update(str(key) for key, value in record.items() if value is not None)
        try:
            example = own_example(record, f"{path.name.partition('.')[0]}/{at:05d}", where)
        except InputError as error:
            problems.append(str(error))
            continue
        first = first or example
        answers[answer_type(example)] += 1
        if example.id in ids:
            problems.append(f"{where}: the id {example.id!r} is there already")
        repeated += question_key(example.text) in questions
        ids.add(example.id)
        questions.add(question_key(example.text))
    return FileCheck(path, records, fields, answers, repeated, first, problems)


def answer_type(example: Example) -> str:
    """As what the answer of an example would be compared: a choice, a number, yes or no, a text."""
    if example.choices:
        return "choice"
    if parse_number(example.answer.rsplit("####", 1)[-1]) is not None:
        return "number"
    if example.answer.strip().lower() in {"yes", "no", "true", "false"}:
        return "boolean"
    return "text"
