"""Whether every line of a shard's texts is plainly the response of its key, without making one.

    {"answer":"72","correct":true,"example_id":"gsm8k/0","prompt":"Q: …","sample":0,"text":"…"}
    {"answer":null,"correct":null,"example_id":"gsm8k/0","prompt_of":0,"sample":1,"text":"…"}

One pass over the bytes, which knows the one form that ``text_lines`` writes: names in order, no
spaces. What is rare (an id with a quote in it, a chat with arguments) and what is damaged is for
``text_lines`` to read. A position in the bytes is NOWHERE once something was not as expected.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from align.kernels.jit import integer, kernel, quick_entry
from specialize.store.ragged import Number, integers

Bytes = NDArray[np.uint8]


def _word(text: str) -> Bytes:
    return np.frombuffer(text.encode(), np.uint8)


FEW = 1 << 16  # bytes that are read sooner than what is compiled is loaded
NOWHERE = -1
DIGITS = 9  # of a number, at most
QUOTE, ESCAPE, SPACE, ZERO, NINE, BRACKET = b'"\\ 09]'
ANSWER, CORRECT, ID = map(_word, ('{"answer":', ',"correct":', ',"example_id":"'))
FINISHED, PROMPT, OF = map(_word, (',"finished":false', ',"prompt":', ',"prompt_of":'))
SAMPLE, TEXT, END = map(_word, (',"sample":', ',"text":', "}\n"))
THINKING, TOKENS = map(_word, (',"thinking":', ',"thinking_tokens":'))
NULL, TRUE, FALSE = map(_word, ("null", "true", "false"))
CHAT, CONTENT, ROLE = map(_word, ('{"messages":[', '{"content":', ',"role":'))
USER, SYSTEM, ASSISTANT = map(_word, ('"user"}', '"system"}', '"assistant"}'))
COMMA, END_OF_CHAT, CONTROL = map(_word, (",", "]}", "u00"))
IS_ESCAPED = np.isin(np.arange(256), list(b'"\\/bfnrt'))
IS_HEX = np.isin(np.arange(256), list(b"0123456789abcdef"))


def are_plain(texts: bytes, arrays: Mapping[str, NDArray[Number]]) -> bool:
    """Whether each line is a response with its key; False may only mean that it is not plain.

    Args:
        texts: the file.
        arrays: of the shard, of which ``text_ptr`` and the keys are looked at.
    """
    if len(texts) < FEW or not texts.endswith(b"\n"):
        return False
    if not texts.isascii():
        try:
            texts.decode()
        except UnicodeDecodeError:
            return False
    text_ptr, key_ptr, data, sample = (
        integers(arrays, name) for name in ("text_ptr", "key_ptr", "key_data", "sample")
    )
    return _are_plain(np.frombuffer(texts, np.uint8), text_ptr, key_ptr, data, sample)


@quick_entry
def _are_plain(
    texts: Bytes,
    text_ptr: NDArray[np.integer],
    key_ptr: NDArray[np.integer],
    key_data: NDArray[np.integer],
    sample: NDArray[np.integer],
) -> bool:
    """``are_plain`` of texts that end in a newline. O(bytes)."""
    prompted = np.zeros(len(sample), np.bool_)
    for row in range(len(sample)):
        at = text_ptr[row]
        # an empty line, after which there may be no byte any more
        if at == text_ptr[row + 1]:
            return False
        at = _past(texts, at, ANSWER)
        at = max(_string(texts, at), _past(texts, at, NULL))
        at = _past(texts, at, CORRECT)
        at = max(_past(texts, at, TRUE), _past(texts, at, FALSE), _past(texts, at, NULL))
        at = _name(texts, _past(texts, at, ID), key_data[key_ptr[row] : key_ptr[row + 1]])
        at = max(at, _past(texts, at, FINISHED))
        asked = _past(texts, at, PROMPT)
        if asked >= 0:
            prompted[row] = True
            at = max(_string(texts, asked), _chat(texts, asked))
        else:
            at, of = _number(texts, _past(texts, at, OF))
            # a prompt is named by the first line that has it, never by one that names another
            if of >= row or not prompted[of]:
                return False
        at, number = _number(texts, _past(texts, at, SAMPLE))
        at = _string(texts, _past(texts, at, TEXT))
        thought = _string(texts, _past(texts, at, THINKING))
        at = max(at, _number(texts, _past(texts, thought, TOKENS))[0])
        if number != sample[row] or _past(texts, at, END) != text_ptr[row + 1]:
            return False
    return True


@kernel
def _past(texts: Bytes, at: int, word: Bytes) -> int:
    """The position after ``word``, if it is at ``at``."""
    if at < 0:
        return NOWHERE
    # ends at the newline that ends the texts: no word has one before its own end
    for i in range(len(word)):
        if texts[at + i] != word[i]:
            return NOWHERE
    return at + len(word)


@kernel
def _string(texts: Bytes, at: int) -> int:
    """The position after a string."""
    if at < 0 or texts[at] != QUOTE:
        return NOWHERE
    at += 1
    while texts[at] != QUOTE:
        # a byte that must be written in another way, such as the newline that ends the texts
        if texts[at] < SPACE:
            return NOWHERE
        if texts[at] == ESCAPE:
            at = _escaped(texts, at + 1)
            if at < 0:
                return NOWHERE
        else:
            at += 1
    return at + 1


@kernel
def _escaped(texts: Bytes, at: int) -> int:
    """The position after what follows a backslash; halves of surrogate pairs are not plain."""
    if IS_ESCAPED[texts[at]]:
        return at + 1
    at = _past(texts, at, CONTROL)
    return at + 2 if at >= 0 and IS_HEX[texts[at]] and IS_HEX[texts[at + 1]] else NOWHERE


@kernel
def _name(texts: Bytes, at: int, name: NDArray[np.integer]) -> int:
    """The position after ``name`` and a quote, where nothing in it had to be escaped."""
    if at < 0:
        return NOWHERE
    for byte in name:
        if byte != texts[at] or byte < SPACE or byte in (QUOTE, ESCAPE):
            return NOWHERE
        at += 1
    return at + 1 if texts[at] == QUOTE else NOWHERE


@kernel
def _number(texts: Bytes, at: int) -> tuple[int, int]:
    """The position after a number without sign, point or exponent, and the number."""
    value, first = 0, at
    if at < 0:
        return NOWHERE, value
    while ZERO <= texts[at] <= NINE and at < first + DIGITS:
        value = 10 * value + integer(texts[at] - ZERO)
        at += 1
    if at == first or (texts[first] == ZERO and at > first + 1):
        return NOWHERE, value
    return at, value


@kernel
def _chat(texts: Bytes, at: int) -> int:
    """The position after a chat whose last turn is the user's."""
    at = _past(texts, at, CHAT)
    while at >= 0:
        at = _past(texts, _string(texts, _past(texts, at, CONTENT)), ROLE)
        user = _past(texts, at, USER)
        if user >= 0 and texts[user] == BRACKET:
            return _past(texts, user, END_OF_CHAT)
        at = max(user, _past(texts, at, SYSTEM), _past(texts, at, ASSISTANT))
        at = _past(texts, at, COMMA)
    return NOWHERE
