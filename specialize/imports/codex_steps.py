"""Reading the published samples of code-davinci-002: steps of tokens with their probabilities.

Two layouts (Fu et al. 2023, arXiv:2301.12726). JSON, the samples of one question::

    [[[[" step", 1.0], ["!", 0.0], ...], ...], ...]         sample, step, [token, probability]

and the text that the decoding script wrote, question after question, tokens as Python literals::

    Question 0: Natalia sold clips ...
    Answer: Natalia sold 48/2 = ...
    #### 72
    Model output 0:  Natalia sold ...
    The answer is 72
    Per-step decode: <<' step'>> 1.0000 <<'!'>> 0.0000 ... ||| <<'\\n'>> 0.9862 ... |||

Both are read as a stream, so that a dump larger than memory can be imported.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from specialize.errors import InputError
from specialize.tokens.spellings import REPLACEMENT

END = "<|endoftext|>"
ROUNDING = 5e-5  # a probability below it is written 0.0000
_BYTES = re.compile(r"bytes:( ?)((?:\\+x[0-9a-fA-F]{2})+)")
_QUESTION = re.compile(r"Question (\d+): (.*)")
_OUTPUT = re.compile(r"Model output (\d+): ")
_DECODE = "Per-step decode: "
_PAIR = re.compile(r"""<<('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")>> (\d\.\d{4}) """)


@dataclass(frozen=True, slots=True)
class Step:
    """One position: the sampled token, its probability, and those of the service's list.

    b"" is the end of text. ``token`` is None where a replacement character replaced its bytes;
    an entry of which that is true is left out, so that its mass is the tail's.
    """

    token: bytes | None
    probability: float
    listed: Mapping[bytes, float]

    @property
    def probabilities(self) -> dict[bytes, float]:
        """By token, the sampled one among them, but for what was rounded to nothing."""
        own = {} if self.token is None else {self.token: self.probability}
        found = own | {piece: p for piece, p in self.listed.items() if piece != self.token}
        return {piece: p for piece, p in found.items() if p >= ROUNDING}


@dataclass(frozen=True, slots=True)
class Steps:
    """One sample of one question, which is known by its position in GSM8K train.

    ``asked`` is the first line of the question, ``shown`` the output, where the layout has them.
    """

    question: int
    sample: int
    steps: tuple[Step, ...]
    asked: str | None = None
    shown: str | None = None


def read_samples(source: Path) -> Iterator[Steps]:
    """The samples of a file of either layout; one that begins with "[" is JSON.

    Raises:
        InputError: not readable, or not what the layout says; names the place.
    """
    try:
        with source.open(encoding="utf-8") as file:
            if file.read(1) == "[":
                file.seek(0)
                yield from _read_json(file.read(), source)
            else:
                file.seek(0)
                yield from _read_text(file, source)
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{source} is not UTF-8 (byte {error.start})") from None


def _read_json(text: str, source: Path) -> Iterator[Steps]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source} is not JSON: {error}") from None
    for i, sample in enumerate(content):
        where = f"{source}: sample {i}"
        if not isinstance(sample, list):
            raise InputError(f"{where} is no list of steps")
        yield Steps(0, i, tuple(_step(s, f"{where}, step {j}") for j, s in enumerate(sample)))


def _read_text(lines: Iterator[str], source: Path) -> Iterator[Steps]:
    question: tuple[int, str] | None = None
    sample: int | None = None
    shown: list[str] = []
    for number, line in enumerate(lines, start=1):
        if asked := _QUESTION.match(line):
            question, sample = (int(asked[1]), asked[2]), None
        elif output := _OUTPUT.match(line):
            sample, shown = int(output[1]), [line[output.end() :]]
        elif line.startswith(_DECODE):
            if question is None or sample is None:
                raise InputError(f"{source}, line {number}: steps before any question and output")
            where = f"{source}, line {number}"
            steps = _steps_of_line(line.removeprefix(_DECODE).rstrip("\n"), where)
            yield Steps(question[0], sample, steps, question[1], "".join(shown))
        else:
            shown.append(line)
    if question is None:
        raise InputError(f"{source} holds no samples: no line begins with 'Question 0: '")


def _steps_of_line(line: str, where: str) -> tuple[Step, ...]:
    """The steps between ``|||``; a token may hold these characters itself."""
    steps: list[Step] = []
    pairs: list[list[object]] = []
    at = 0
    while at < len(line):
        if line.startswith("||| ", at):
            steps.append(_step(pairs, f"{where}, step {len(steps)}"))
            pairs, at = [], at + 4
            continue
        found = _PAIR.match(line, at)
        if found is None:
            raise InputError(f"{where}, column {at}: {line[at : at + 30]!r} is no <<token>> number")
        pairs.append([ast.literal_eval(found[1]), float(found[2])])
        at = found.end()
    if pairs:
        raise InputError(f"{where} ends in the middle of step {len(steps)}")
    return tuple(steps)


def _step(step: object, where: str) -> Step:
    """A step from its pairs, the sampled token first; a listed token counts once."""
    pairs: list[tuple[bytes | None, float]] = []
    for pair in step if isinstance(step, list) else []:
        match pair:
            case [str(text), float() | int() as probability] if 0 <= probability <= 1:
                piece = None if REPLACEMENT in text else piece_of(text)
                pairs.append((piece, float(probability)))
            case _:
                raise InputError(f"{where}: {pair!r} is no [token, probability]")
    if not pairs:
        raise InputError(f"{where} has no token")
    (token, own), *others = pairs
    listed: dict[bytes, float] = {}
    for piece, probability in others:
        if piece is not None:
            listed.setdefault(piece, probability)
    return Step(token, own, listed)


def piece_of(text: str) -> bytes:
    """The bytes of a token as the service writes it; nothing for the end of text."""
    if text == END:
        return b""
    raw = _BYTES.fullmatch(text)
    if raw is None:
        return text.encode()
    return raw[1].encode() + bytes.fromhex(re.sub(r"\\+x", "", raw[2]))
