"""Text that breaks programs is stored as it is, or refused with the line that holds it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from specialize import datasets
from specialize.config.recipe import Teacher as TeacherSettings
from specialize.errors import ConfigurationError, InputError
from specialize.quickstart.run import MODELS
from specialize.store import Store, verify
from specialize.teacher.dump import dump
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.scripted_teacher import ScriptedTeacher

KEPT = {
    "control characters": "a\x01b\x07c\x1b[31mred\x1b[0m\x7f\x85d",
    "line separators": "one\u2028two\u2029three\vfour\ffive",
    "line ends": "one\r\ntwo\rthree\n\nfour",
    "byte-order mark": "\ufeffinside \ufeff too",
    "zero width": "fam\u200bily \u200d \u2060 \u00ad",
    "joined emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇺🇳",
    "right to left": "שלום 123 مرحبا \u202egnp.exe\u202c",
    "combining": "Z\u0324\u0348\u0353a\u0310\u0302l\u0353 e\u0301 ﬁ ① Å",
    "non-characters": "\ufffe\uffff\U0010ffff\U000e0001",
    "replacement": "\ufffd",
    "special tokens": "<|endoftext|></s><pad><s>[INST]<|im_end|><extra_id_0><unk><0x0A>▁",
    "formats": "Q: A: Question: The answer is 3\n\nThe answer is 4",
    "templates": "{{7*7}} {% raw %} ${x} %s {0} {format_map}",
    "json": '"\\u0000" \\n {"body":{},"crc32":"00000000"}',
    "markup": "</script><img src=x onerror=alert(1)> [link](javascript:1) `x`",
    "paths": "../../etc/passwd\\..\\C:",
    "many newlines": "\n" * 500 + "x",
    "spaces": "a" + " " * 3000 + "\t\u00a0\u3000b",
}
LINE = b'{"id": "toy/1", "question": "%b", "answer": "3", "rationale": "So."}'
REFUSED = {
    "NUL": (LINE % rb"a\u0000b", "line 2: NUL character in 'a"),
    "high surrogate": (LINE % rb"a\ud83d b", r"line 2: lone surrogate '\\ud83d'"),
    "low surrogate": (LINE % rb"\ude00", r"line 2: lone surrogate '\\ude00'"),
    "invalid UTF-8": (LINE % b"caf\xe9", "line 2, is not UTF-8"),
    "overlong UTF-8": (LINE % b"\xc0\xaf", "line 2, is not UTF-8"),
    "surrogates in UTF-8": (LINE % b"\xed\xa0\x80", "line 2, is not UTF-8"),
    "UTF-16": (LINE.decode().encode("utf-16"), "line 2, is not UTF-8"),
    "NUL byte": (LINE % b"a\0b", "line 2, is not JSON"),
    "control byte": (LINE % b"a\x01b", "line 2, is not JSON"),
    "cut line": (LINE[:40], "line 2, is not JSON"),
    "only spaces": (LINE % b"   ", "line 2"),
    "deep": (b"[" * 200_000, "line 2, is not JSON"),
}


@pytest.fixture(scope="module", params=["byte-level", "unigram"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return load_tokenizer(toys.gpt2() if request.param == "byte-level" else MODELS / "student")


def lines(question: str, rationale: str) -> bytes:
    records = [
        {"id": f"toy/{i}", "question": q, "answer": "3", "rationale": r}
        for i, (q, r) in enumerate([("One?", "So."), (question, rationale), ("Three?", "So.")])
    ]
    return b"".join(json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in records)


def scored(path: Path, tokenizer: Tokenizer, *, context: int | None = None) -> Store:
    """The store of the file's own solutions, scored by a teacher without a model."""
    teacher = ScriptedTeacher(tokenizer, lambda prompt, turn: ("", "eos"), context=context)
    examples = datasets.load("jsonl", str(path))
    out = path.parent / "store"
    dump(teacher, examples, out, TeacherSettings(mode="score"), shard_samples=2)
    assert verify(out).ok
    return Store.open(out)


@pytest.mark.parametrize("name", KEPT)
def test_stored_as_it_is(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    text = KEPT[name]
    path = tmp_path / "hostile.jsonl"
    path.write_bytes(lines(f"{text} many?", f"{text}."))
    response = scored(path, tokenizer)["toy/1", 0].response
    assert f"Q: {text} many?\n" in response.prompt
    assert response.text.startswith(f"{text}.") or response.text.startswith(f"{text}.".strip())
    ids = tokenizer.encode(text)
    assert tokenizer.eos not in ids


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_line(name: str, tmp_path: Path) -> None:
    bad, message = REFUSED[name]
    good = LINE % b"fine?"
    path = tmp_path / "hostile.jsonl"
    path.write_bytes(b"\n".join([good.replace(b"toy/1", b"toy/0"), bad, good]) + b"\n")
    with pytest.raises(InputError, match=re.escape(str(path)) + ".*" + message):
        datasets.load("jsonl", str(path))


def test_a_file_from_another_system(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """A byte-order mark at the start and carriage returns at line ends are no part of the text."""
    path = tmp_path / "hostile.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + lines("Ärger?", "So.").replace(b"\n", b"\r\n"))
    assert scored(path, tokenizer)["toy/1", 0].response.prompt.startswith("Q: Ärger?\n")


def test_a_line_of_ten_megabytes(tokenizer: Tokenizer, tmp_path: Path) -> None:
    text = "ten million é " * 700_000
    path = tmp_path / "hostile.jsonl"
    path.write_bytes(lines(text, "So."))
    store = scored(path, tokenizer)
    assert text in store["toy/1", 0].response.prompt
    assert len(store["toy/1", 0].response.prompt.encode()) > 10_000_000


def test_longer_than_the_context(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "hostile.jsonl"
    path.write_bytes(lines("apples " * 300, "So."))
    with pytest.raises(ConfigurationError, match=r"'toy/1' needs \d+ tokens.*context of 100"):
        scored(path, tokenizer, context=100)
    assert not (tmp_path / "store").exists()
