"""ASDiv: diverse word problems in XML; ids are the published ones, asdiv/nluds-0001.

``Answer`` "9 (apples)" stays as it is: answers are compared by value.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from specialize.datasets.hub import HubSource, Row
from specialize.datasets.layouts import sole_file
from specialize.datasets.reading import clean_text, read_text, text_field
from specialize.datasets.records import example, join_question
from specialize.datasets.spec import Published, SetSpec
from specialize.errors import InputError
from specialize.records import Example

PROBLEMS = 2305


def _read(path: Path, split: str | None) -> list[Example]:
    """All of it.

    A document type or entity is refused: the set has none, and they are how XML files exhaust
    memory or reach for others.
    """
    path = sole_file(path, split, "ASDiv.xml", "asdiv")
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
    return [_problem(problem, path, at) for at, problem in enumerate(problems)]


def _problem(problem: ElementTree.Element, path: Path, at: int) -> Example:
    id_ = problem.get("ID")
    where = f"{path}, problem {id_ or at}"
    texts = {tag: problem.findtext(tag) for tag in ("Body", "Question", "Answer")}
    missing = [tag for tag, text in texts.items() if text is None]
    if not id_ or missing:
        raise InputError(f"{where}: no {', '.join(missing) or 'ID'}")
    body, question, answer = (text or "" for text in texts.values())
    return _example(body, question, answer, f"asdiv/{id_}", where)


def _example(body: str, question: str, answer: str, id_: str, where: str) -> Example:
    if not answer.strip():
        raise InputError(f"{where}: no answer")
    return example(id_, join_question(body, question), " ".join(answer.split()), where)


def _row(row: Row) -> Example:
    """The hub dropped the published ids, but kept the order: problem n is nluds-n."""
    body, question, answer = (
        text_field(row.record, key, row.where) for key in ("body", "question", "answer")
    )
    complete = row.total == PROBLEMS
    id_ = f"asdiv/nluds-{row.at + 1:04d}" if complete else f"asdiv/{row.split}/{row.at:05d}"
    return _example(body, question, answer, id_, row.where)


ASDIV = SetSpec(
    "asdiv",
    "number",
    _read,
    licence="CC BY-NC 4.0",
    source="Miao et al. 2020, doi:10.18653/v1/2020.acl-main.92",
    from_hub=HubSource("EleutherAI/asdiv", ("validation",), _row).load,
    pinned=Published(
        "ASDiv",
        validation=500,
        total=PROBLEMS,
        all_ids="b944d52ac86e733e2fb36173e824b14808a84f712f76d889150be9a5cc7891f5",
        drawn_ids="3d472e6d4946e51d58bba16f25406458898ae29c55c9a25077bb093ffc832b1b",
    ),
)
