"""The few-shot prompt files that others published, read into demonstrations.

One worked record, of ``prompt_simple_4_cases.txt``: instruction ``""`` and four examples, the
second with question ``"Samuel took 30 minutes to ..."``, rationale ``"Since there are ..."`` and
answer ``"48"``. Two layouts are known: the GSM8K prompts of Fu et al. (arXiv:2301.12726), whose
blocks begin with ``Question: `` or ``Q: `` and end with ``The answer is ...``, and those of
BIG-Bench Hard (Suzgun et al., arXiv:2210.09261), which have an instruction, three blocks and, in
front, a canary line, which is left out.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from specialize.errors import InputError
from specialize.formats.chats import ChatFormat
from specialize.formats.prompts import (
    BBH,
    BBH_ONE_LINE,
    FU,
    TEACHER,
    TEACHER_WITH_PERIOD,
    Format,
    Style,
)
from specialize.records import Example

_CANARY = re.compile(r"\A[^\n]*\bcanary GUID\b[^\n]*\n-----\n")
_BLOCK = re.compile(r"(?:\A|\n\n)(?P<label>Question|Q): ")
_CUE = re.compile(r"\n(?:A: )?Let's think step by step\.?[ \n]")
_ANSWER = re.compile(r"\b(?:So, the|So the|The) answer is (?P<answer>[^\n]*)\s*\Z")


class PublishedPrompt(NamedTuple):
    """What a prompt file holds; ``style`` has the strings that it puts around them."""

    instruction: str
    demonstrations: tuple[Example, ...]
    style: Style

    @property
    def cot(self) -> bool:
        """Whether the demonstrations show a chain of thought."""
        return all(shown.rationale for shown in self.demonstrations)

    def format(self, *, cot: bool) -> Format:
        """The format that puts a question after these demonstrations.

        With ``cot=False`` the rationales are left out, whole: what remains of a block is its
        question and its answer.
        """
        return Format(cot, len(self.demonstrations), self.style, self.instruction)

    def like(self, form: Format | ChatFormat) -> Format | ChatFormat:
        """The same in the manner of ``form``: a chat shows the demonstrations as turns.

        The instruction is its system prompt, where it has no other.
        """
        if isinstance(form, Format):
            return self.format(cot=form.cot)
        style = replace(form.style, system=form.style.system or self.instruction)
        return replace(form, demonstrations=len(self.demonstrations), style=style)


def parse_prompt_file(path: Path | str) -> PublishedPrompt:
    """The instruction, the demonstrations and the style of a published prompt file.

    Raises:
        InputError: the file is missing, or a block has no question or no line "answer is".
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"prompt file {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"prompt file {path} is not UTF-8 (byte {error.start})") from None
    text = _CANARY.sub("", text.replace("\r\n", "\n")).strip("\n")
    starts = list(_BLOCK.finditer(text))
    if not starts:
        raise InputError(f"prompt file {path} has no block that begins with 'Q: ' or 'Question: '")
    ends = [start.start() for start in starts[1:]] + [len(text)]
    blocks = [text[start.end() : end] for start, end in zip(starts, ends, strict=True)]
    shown = tuple(
        _demonstration(block, f"prompts/{path.stem}/{number}", path)
        for number, block in enumerate(blocks)
    )
    instruction = text[: starts[0].start()].strip()
    return PublishedPrompt(instruction, shown, _style(starts[0]["label"], text))


def _demonstration(block: str, id_: str, path: Path) -> Example:
    where = f"prompt file {path}, block {id_.rsplit('/', 1)[-1]}"
    parts = _CUE.split(block, maxsplit=1)
    announced = _ANSWER.search(parts[-1] if len(parts) == 2 else block)
    if announced is None:
        start = block[:60].replace("\n", " ")
        raise InputError(f"{where} ({start!r}...) does not end with 'The answer is ...'")
    answer = announced["answer"].strip().removesuffix(".")
    if len(parts) == 2:
        question, rationale = parts[0], parts[1][: announced.start()].strip()
    else:
        question, rationale = block[: announced.start()], ""
    if not question.strip() or not answer:
        raise InputError(f"{where} has no {'question' if answer else 'answer'}")
    return Example(id_, question.strip(), answer, rationale)


def _style(label: str, text: str) -> Style:
    if "\nA: Let's think step by step. " in text:
        return BBH_ONE_LINE
    if "\nA: Let's think" in text:
        return BBH
    if label == "Q":
        return FU
    return TEACHER_WITH_PERIOD if text.endswith(".") else TEACHER
