"""Lines that are found plain without being read, against what reading them says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from specialize.records import ChatPrompt, Message, Response
from specialize.store import plain_lines
from specialize.store.arrays import key_arrays
from specialize.store.ragged import Arrays
from specialize.store.text_lines import decode_texts, encode_texts

TRICKY = ["", '"', "\\", "\n", "\x00\x1f\x7f", "é 你好 \u2028 😀", '{"a":[1]}', "72", "\\u0041"]
texts = st.sampled_from(TRICKY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
turns = st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), texts))
chats = st.builds(lambda some, last: ChatPrompt((*some, Message("user", last))), turns, texts)


@st.composite
def many_responses(draw: st.DrawFn) -> list[Response]:
    prompts = draw(st.lists(texts | chats, min_size=1, max_size=3))
    return [
        Response(
            example_id=draw(st.sampled_from(["gsm8k/train/00000", "é", "a b", "x"])),
            sample=number,
            prompt=draw(st.sampled_from(prompts)),
            text=draw(texts),
            answer=draw(st.none() | texts),
            correct=draw(st.sampled_from([None, True, False])),
            finished=draw(st.booleans()),
            thinking=draw(st.just("") | texts),
            thinking_tokens=draw(st.integers(0, 12)),
        )
        for number in range(draw(st.integers(1, 5)))
    ]


def stored(responses: list[Response]) -> tuple[bytes, Arrays]:
    lines = encode_texts(responses)
    ptr = np.cumsum([0, *map(len, lines)])
    keys = key_arrays([response.key for response in responses])
    return b"".join(lines), {**keys, "text_ptr": ptr}


def plainly(written: bytes, arrays: Arrays) -> bool:
    """``are_plain`` however few, of arrays that cannot be written to, as those of files."""
    for array in arrays.values():
        array.flags.writeable = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_lines, "FEW", 0)
        return plain_lines.are_plain(written, arrays)


@given(many_responses())
def test_what_is_written_is_plain(responses: list[Response]) -> None:
    assert plainly(*stored(responses))


def one(**changes: object) -> list[Response]:
    return [Response(**{"example_id": "x", "sample": 0, "prompt": "Q", "text": "t", **changes})]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "responses",
    [
        one(example_id='x"'), one(example_id="x\\"), one(example_id="x\n"), one(sample=-1),
        one(prompt=ChatPrompt((Message("user", "Q"),), {"enable_thinking": True})),
        one(prompt=ChatPrompt((Message("assistant", "A", "thought"), Message("user", "Q")))),
        one(sample=1_000_000_000),
    ],
)  # fmt: skip
def test_what_is_rare_is_left_to_be_read(responses: list[Response]) -> None:
    written, arrays = stored(responses)
    assert not plainly(written, arrays)
    assert decode_texts(written, arrays["text_ptr"]) == responses


INSERTED = [b'"', b"\\", b",", b"}", b"{", b":", b"0", b"9", b"u", b"null", b"\n", b"\x00", b"\xff",
            b"\xed\xa0\x80", b"\\ud800", b"\\u00zz", b"\\u00e9", b" ", b"-", b".5", b"prompt_of",
            b"user", b"]"]  # fmt: skip


@given(
    responses=many_responses(),
    changes=st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 12), st.sampled_from(INSERTED)), max_size=2
    ),
    moved=st.lists(st.tuples(st.integers(0, 5), st.integers(-2, 2)), max_size=1),
    other=st.none() | st.tuples(st.integers(0, 60), st.sampled_from(b'\n"\\x\xff\x00')),
)
@example(one(text=""), [], [(1, 1)], None)
@example(one(example_id="x\n"), [(50, 1, b"\n")], [], None)
def test_what_is_plain_is_read_with_its_keys(
    responses: list[Response],
    changes: list[tuple[int, int, bytes]],
    moved: list[tuple[int, int]],
    other: tuple[int, int] | None,
) -> None:
    """Whatever was changed in texts, keys and the places of lines."""
    written, arrays = stored(responses)
    for at, gone, new in changes:
        at %= len(written)
        written = written[:at] + new + written[at + gone :]
    ends = 1 + np.flatnonzero(np.frombuffer(written, np.uint8) == ord("\n"))
    if len(ends) == len(responses) and written.endswith(b"\n"):
        arrays["text_ptr"] = np.concatenate([[0], ends])
    for row, by in moved:
        ptr = arrays["text_ptr"].copy()
        ptr[row % len(ptr)] += by
        arrays["text_ptr"] = np.clip(np.maximum.accumulate(ptr), 0, len(written))
    if other is not None and len(arrays["key_data"]):
        names = arrays["key_data"].copy()
        names[other[0] % len(names)] = other[1]
        arrays["key_data"] = names
    if not plainly(written, arrays):
        return
    found = decode_texts(written, arrays["text_ptr"])
    assert all(key == own.key for key, own in zip(keys_of(arrays), found, strict=True))
    for line, response in zip(written.splitlines(), found, strict=True):
        assert isinstance(response.text, str)
        assert isinstance(response.prompt, str | ChatPrompt)
        assert json.loads(line)["text"] == response.text


def keys_of(arrays: Arrays) -> list[tuple[str, int]]:
    ends, names = arrays["key_ptr"].tolist(), arrays["key_data"].tobytes()
    spans = zip(ends[:-1], ends[1:], arrays["sample"].tolist(), strict=True)
    return [(names[first:last].decode(), number) for first, last, number in spans]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"text"', b'"Text"'), (b'"text":"t"', b'"text":5'), (b'"sample":0', b'"sample":00'),
        (b'"prompt":"Q"', b'"prompt_of":0'), (b'"prompt":"Q"', b'"prompt":null'),
        (b'"answer":null', b'"answer":nul'), (b"true", b"tru"), (b'"t"', b'"\\x"'),
        (b'"t"', b'"\\u12"'), (b'"t"', b'"\t"'), (b'"t"', b'"\xff"'), (b"}\n", b",\n"),
    ],
)  # fmt: skip
def test_a_line_that_is_none(old: bytes, new: bytes) -> None:
    written, arrays = stored(one(correct=True))
    assert old in written
    written = written.replace(old, new)
    arrays["text_ptr"] = np.array([0, len(written)])
    assert not plainly(written, arrays)
