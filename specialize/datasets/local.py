"""Published sets from a local file or directory, in the layout in which they are published.

    gsm8k       train.jsonl, test.jsonl, or their directory    gsm8k/train/00017
    svamp       SVAMP.json, or its directory                   svamp/chal-1
    asdiv       ASDiv.xml, or its directory                    asdiv/nluds-0001
    multiarith  MultiArith.json, or its directory              multiarith/00000
    bbh         one <task>.json, or the directory of all 27    bbh/word_sorting/00000
    jsonl       lines of our own Example                       the id in the line

The last column is the id of an example: the published one, or the position in the file.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from specialize.datasets import records
from specialize.datasets.reading import (
    Record,
    clean_text,
    json_document,
    json_lines,
    json_objects,
    read_text,
    text_field,
)
from specialize.errors import ConfigurationError, InputError
from specialize.io.files import write_atomically
from specialize.records import Example

GSM8K_SPLITS = ("train", "test")
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


def read_gsm8k(path: Path, split: str | None) -> list[Example]:
    """GSM8K from one of its files, or from their directory with the split named."""
    expected = "GSM8K as JSON lines with the fields question and answer"
    path, split = _file_of_split(path, split, GSM8K_SPLITS, "gsm8k")
    return [
        records.gsm8k(record, f"gsm8k/{split}/{at:05d}", where)
        for at, (where, record) in enumerate(json_lines(path, expected))
    ]


def read_svamp(path: Path, split: str | None) -> list[Example]:
    """SVAMP, all of it; ids are the published ones."""
    path = _sole_file(path, split, "SVAMP.json", "svamp")
    expected = "SVAMP as one JSON list"
    return [
        records.svamp(record, f"svamp/{text_field(record, 'ID', where)}", where)
        for where, record in json_objects(json_document(path, expected), path, expected)
    ]


def read_asdiv(path: Path, split: str | None) -> list[Example]:
    """ASDiv, all of it; ids are the published ones.

    A document type or entity is refused: the set has none, and they are how XML files exhaust
    memory or reach for others.
    """
    path = _sole_file(path, split, "ASDiv.xml", "asdiv")
    text = clean_text(read_text(path, "ASDiv as XML"), str(path))
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{path} declares a document type or an entity, which ASDiv does not")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(f"{path}, line {error.position[0]}, is not XML ({error})") from None
    problems = list(root.iter("Problem"))
    if not problems:
        raise InputError(f"{path} has no <Problem>; expected ASDiv.xml as published")
    return [_asdiv_problem(problem, path, at) for at, problem in enumerate(problems)]


def _asdiv_problem(problem: ElementTree.Element, path: Path, at: int) -> Example:
    id_ = problem.get("ID")
    where = f"{path}, problem {id_ or at}"
    texts = {tag: problem.findtext(tag) for tag in ("Body", "Question", "Answer")}
    missing = [tag for tag, text in texts.items() if text is None]
    if not id_ or missing:
        raise InputError(f"{where}: no {', '.join(missing) or 'ID'}")
    body, question, answer = (text or "" for text in texts.values())
    return records.asdiv(body, question, answer, f"asdiv/{id_}", where)


def read_multiarith(path: Path, split: str | None) -> list[Example]:
    """MultiArith, all of it; ids are positions in the file."""
    path = _sole_file(path, split, "MultiArith.json", "multiarith")
    expected = "MultiArith as one JSON list"
    return [
        records.multiarith(record, f"multiarith/{at:05d}", where)
        for at, (where, record) in enumerate(
            json_objects(json_document(path, expected), path, expected)
        )
    ]


def read_bbh(path: Path, split: str | None) -> list[Example]:
    """BIG-Bench Hard: one task from its file, or all 27 from their directory.

    Raises:
        InputError: a task's file is missing, or the directory holds another JSON file; a task is
            never left out in silence.
    """
    _refuse_split(split, "bbh")
    if not path.is_dir():
        return _bbh_task(path)
    folder = path / "bbh" if (path / "bbh").is_dir() else path
    found = {file.stem for file in folder.glob("*.json")}
    missing = [task for task in BBH_TASKS if task not in found]
    other = sorted(found - set(BBH_TASKS))
    if missing or other:
        what = f"lacks {_named(missing)}" if missing else f"also holds {_named(other)}"
        raise InputError(
            f"{folder} {what}; expected the 27 files of BIG-Bench Hard (name one file to read "
            f"one task)"
        )
    return [example for task in BBH_TASKS for example in _bbh_task(folder / f"{task}.json")]


def _bbh_task(path: Path) -> list[Example]:
    expected = "a task of BIG-Bench Hard, {examples: [{input, target}]}"
    document = json_document(path, expected)
    if not isinstance(document, dict) or "examples" not in document:
        raise InputError(f"{path} has no 'examples'; expected {expected}")
    return [
        records.bbh(record, f"bbh/{path.stem}/{at:05d}", where, path.stem)
        for at, (where, record) in enumerate(json_objects(document["examples"], path, expected))
    ]


def read_jsonl(path: Path, split: str | None) -> list[Example]:
    """Our own examples, one JSON object a line with the fields of ``Example``."""
    if path.is_dir():
        if split is None:
            raise ConfigurationError(f"{path} is a directory; name a file or a split in it")
        path, split = path / f"{split}.jsonl", None
    _refuse_split(split, "jsonl")
    expected = "examples as JSON lines with the fields id, question, answer"
    return [_own_example(record, where) for where, record in json_lines(path, expected)]


def _own_example(record: Record, where: str) -> Example:
    unknown = record.keys() - {
        "id", "question", "answer", "rationale", "choices", "task", "context"
    }  # fmt: skip
    if unknown:
        raise InputError(f"{where}: unknown field {_named(sorted(unknown))}")
    values = {key: text_field(record, key, where) for key in record if key != "choices"}
    choices = record.get("choices", [])
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise InputError(f"{where}: 'choices' must be a list of texts, got {choices!r:.60}")
    for key in ("id", "question", "answer"):
        if not values.get(key, "").strip():
            raise InputError(f"{where}: no {key!r}")
    return Example(**values, choices=tuple(clean_text(choice, where) for choice in choices))


def write_jsonl(path: Path, examples: Sequence[Example]) -> None:
    """Write ``examples`` as lines that ``read_jsonl`` reads back; empty fields are left out."""
    lines = []
    for example in examples:
        fields = {
            "id": example.id,
            "question": example.question,
            "answer": example.answer,
            "rationale": example.rationale,
            "choices": list(example.choices),
            "task": example.task,
            "context": example.context,
        }
        values = {key: value for key, value in fields.items() if value}
        lines.append(json.dumps(values, sort_keys=True, ensure_ascii=False) + "\n")
    write_atomically(path, "".join(lines).encode())


def _file_of_split(
    path: Path, split: str | None, splits: Sequence[str], name: str
) -> tuple[Path, str]:
    """The file to read and the split in its ids."""
    if path.is_dir():
        if split is None:
            raise ConfigurationError(
                f"{name} in {path} has the splits {', '.join(splits)}; "
                f"name one (split: {splits[0]})"
            )
        return path / f"{split}.jsonl", split
    if split is not None and path.stem in splits and path.stem != split:
        raise ConfigurationError(f"{path} holds split {path.stem!r} of {name}, not {split!r}")
    return path, split or path.stem


def _sole_file(path: Path, split: str | None, published: str, name: str) -> Path:
    _refuse_split(split, name)
    return path / published if path.is_dir() else path


def _refuse_split(split: str | None, name: str) -> None:
    if split is not None:
        raise ConfigurationError(
            f"{name} is read as one set without published splits; drop split: {split}"
        )


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
