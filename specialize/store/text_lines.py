"""The texts of a shard as JSON lines.

A prompt that an earlier sample of the shard has too is named by its row::

    {"answer":"72","correct":true,"example_id":"gsm8k/0","prompt":"Q: …","sample":0,"text":"…"}
    {"answer":"71","correct":false,"example_id":"gsm8k/0","prompt_of":0,"sample":1,"text":"…"}

``"finished":false`` is in the line of a text that a limit cut. A prompt that is a chat is an
object, ``{"messages":[{"content":"…","role":"user"}]}``. Where a text came with thinking, that is
in ``thinking``, and ``thinking_tokens`` of the sample's tokens are the thinking's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NotRequired, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from specialize.records import ChatPrompt, Prompt, Response
from specialize.store.ragged import Number
from specialize.store.sealed import Json, canonical

# what is raised of lines that are no responses
NO_RESPONSE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


class _Line(TypedDict):
    """A line of texts, the prompt in it."""

    example_id: str
    sample: int
    prompt: Prompt
    text: str
    answer: str | None
    correct: bool | None
    finished: NotRequired[bool]
    thinking: NotRequired[str]
    thinking_tokens: NotRequired[int]


class _Stored(TypedDict, total=False):
    """What a line may hold as it is stored, of what is looked at here."""

    example_id: str
    sample: int
    prompt: Json | ChatPrompt
    prompt_of: int


def encode_texts(responses: Sequence[Response]) -> list[bytes]:
    """One line a sample, newline included.

    Raises:
        ValueError: half of a surrogate pair; says in which sample.
    """
    rows: dict[Prompt, int] = {}
    lines = []
    for row, response in enumerate(responses):
        first = rows.setdefault(response.prompt, row)
        prompt: dict[str, Json] = (
            {"prompt": prompt_as_json(response.prompt)} if first == row else {"prompt_of": first}
        )
        try:
            line = canonical(
                {
                    "example_id": response.example_id,
                    "sample": response.sample,
                    "text": response.text,
                    "answer": response.answer,
                    "correct": response.correct,
                    **({} if response.finished else {"finished": False}),
                    **_thinking(response),
                    **prompt,
                }
            )
        except ValueError as error:
            raise ValueError(f"sample {response.key!r} cannot be stored: {error}") from error
        lines.append(line + b"\n")
    return lines


def prompt_as_json(prompt: Prompt) -> Json:
    """A text as it is, a chat as an object."""
    return prompt if isinstance(prompt, str) else prompt.as_json()


def _thinking(response: Response) -> dict[str, Json]:
    if not response.thinking and not response.thinking_tokens:
        return {}
    return {"thinking": response.thinking, "thinking_tokens": response.thinking_tokens}


def _prompt(value: Json) -> Prompt:
    """What ``prompt_as_json`` made of a prompt.

    Raises:
        ValueError: neither a text nor a chat.
    """
    if isinstance(value, dict):
        return ChatPrompt.from_json(value)
    if not isinstance(value, str):
        raise ValueError(f"a prompt is text or a chat, not {value!r:.40}")
    return value


def decode_texts(texts: bytes, text_ptr: NDArray[Number]) -> list[Response]:
    """The responses of all lines, read at once.

    Args:
        texts: the file.
        text_ptr: (n + 1,) where each line begins, and where the last ends.

    Raises:
        NO_RESPONSE: one of these, where a line is no response.
    """
    lines = _all_lines(texts, text_ptr)
    for line in lines:
        if "prompt" not in line:
            line["prompt"] = lines[line.pop("prompt_of")]["prompt"]
        elif isinstance(line["prompt"], dict):
            line["prompt"] = ChatPrompt.from_json(line["prompt"])
    return [Response(**cast("_Line", line)) for line in lines]  # any other key is refused


def decode_text(texts: bytes, text_ptr: NDArray[Number], row: int) -> Response:
    """The response of line ``row``; arguments and errors as of ``decode_texts``."""
    line = _line(texts, text_ptr, row)
    if "prompt" not in line:
        first = line.pop("prompt_of")
        if not isinstance(first, int):
            raise TypeError(f"prompt_of is {first!r}, no row")
        line["prompt"] = _line(texts, text_ptr, first)["prompt"]
    read = {**line, "prompt": _prompt(line["prompt"])}
    return Response(**cast("_Line", read))  # any other key is refused


def _line(texts: bytes, text_ptr: NDArray[Number], row: int) -> dict[str, Json]:
    start, end = text_ptr[row : row + 2].tolist()
    line: dict[str, Json] = json.loads(texts[start:end])
    return line


def _all_lines(texts: bytes, text_ptr: NDArray[Number]) -> list[_Stored]:
    ends = 1 + np.flatnonzero(np.frombuffer(texts, np.uint8) == ord("\n"))
    if not np.array_equal(ends, text_ptr[1:]):
        raise ValueError("a line does not end where it should")
    lines: list[_Stored] = json.loads(b"[%s]" % texts[:-1].replace(b"\n", b","))
    if len(lines) != len(ends):
        raise ValueError(f"{len(lines)} lines instead of {len(ends)}")
    return lines
