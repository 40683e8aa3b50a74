"""BIG-Bench Hard: 27 tasks in a file each; ids bbh/word_sorting/00000.

``input`` and ``target`` are question and answer; the "Options:" of the question become choices.
"""

from __future__ import annotations

import re
from pathlib import Path

from specialize.datasets.hub import HubSource, Row
from specialize.datasets.layouts import named, refuse_split
from specialize.datasets.reading import Record, json_document, json_objects, text_field
from specialize.datasets.records import example
from specialize.datasets.spec import SetSpec
from specialize.errors import InputError
from specialize.records import Example

BBH_TASKS = (
    "boolean_expressions",
    "causal_judgement",
    "date_understanding",
    "disambiguation_qa",
    "dyck_languages",
    "formal_fallacies",
    "geometric_shapes",
    "hyperbaton",
    "logical_deduction_five_objects",
    "logical_deduction_seven_objects",
    "logical_deduction_three_objects",
    "movie_recommendation",
    "multistep_arithmetic_two",
    "navigate",
    "object_counting",
    "penguins_in_a_table",
    "reasoning_about_colored_objects",
    "ruin_names",
    "salient_translation_error_detection",
    "snarks",
    "sports_understanding",
    "temporal_sequences",
    "tracking_shuffled_objects_five_objects",
    "tracking_shuffled_objects_seven_objects",
    "tracking_shuffled_objects_three_objects",
    "web_of_lies",
    "word_sorting",
)
_OPTION = re.compile(r"^\(([A-Z])\) (.*)$", re.MULTILINE)


def _read(path: Path, split: str | None) -> list[Example]:
    """One task from its file, or all 27 from their directory.

    Raises:
        InputError: a task's file is missing, or the directory holds another JSON file; a task is
            never left out in silence.
    """
    refuse_split(split, "bbh")
    if not path.is_dir():
        return _task(path)
    folder = path / "bbh" if (path / "bbh").is_dir() else path
    found = {file.stem for file in folder.glob("*.json")}
    missing = [task for task in BBH_TASKS if task not in found]
    other = sorted(found - set(BBH_TASKS))
    if missing or other:
        what = f"lacks {named(missing)}" if missing else f"also holds {named(other)}"
        raise InputError(
            f"{folder} {what}; expected the 27 files of BIG-Bench Hard (name one file to read "
            f"one task)"
        )
    return [example for task in BBH_TASKS for example in _task(folder / f"{task}.json")]


def _task(path: Path) -> list[Example]:
    expected = "a task of BIG-Bench Hard, {examples: [{input, target}]}"
    document = json_document(path, expected)
    if not isinstance(document, dict) or "examples" not in document:
        raise InputError(f"{path} has no 'examples'; expected {expected}")
    return [
        _example(record, path.stem, at, where)
        for at, (where, record) in enumerate(json_objects(document["examples"], path, expected))
    ]


def _example(record: Record, task: str, at: int, where: str) -> Example:
    question = text_field(record, "input", where)
    answer = text_field(record, "target", where).strip()
    if not answer:
        raise InputError(f"{where}: 'target' is empty")
    _, has_options, options = question.rpartition("\nOptions:\n")
    choices = _choices(options) if has_options else ()
    return example(f"bbh/{task}/{at:05d}", question, answer, where, choices=choices, task=task)


def _choices(options: str) -> tuple[str, ...]:
    """The options' texts, if they are lettered A, B, C ... without gap; else none."""
    found = _OPTION.findall(options)
    letters = [letter for letter, _ in found]
    expected = [chr(ord("A") + i) for i in range(len(found))]
    return tuple(text.strip() for _, text in found) if letters == expected else ()


def _row(row: Row) -> Example:
    return _example(row.record, row.config, row.at, row.where)


BBH = SetSpec(
    "bbh",
    "bbh",
    _read,
    licence="MIT; with a canary: for evaluation only",
    source="Suzgun et al. 2022, arXiv:2210.09261",
    from_hub=HubSource("lukaemon/bbh", ("test",), _row, BBH_TASKS).load,
)
