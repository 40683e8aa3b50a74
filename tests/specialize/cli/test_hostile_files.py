"""Hostile and unlucky files of every kind: an exit code and one line each, and its bounds.

Each row is (what is given, what the line must say). Nothing here loads a model.
"""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import yaml

from specialize.quickstart.run import MODELS
from specialize.store.sealed import seal
from tests.support.hostile import STUDENT, refuse, warm
from tests.support.store_samples import write_store


@pytest.fixture(scope="module", autouse=True)
def warmed(tmp_path_factory: pytest.TempPathFactory) -> None:
    warm(tmp_path_factory.mktemp("warm"))


# ---- chat templates ----------------------------------------------------------------------------

TEMPLATES = [
    ("{% for x in range(10**9) %}{% endfor %}", "template"),
    ("{% for x in range(99999) %}{% for y in range(99999) %}a{% endfor %}{% endfor %}", "template"),
    ("{{ 'a' * 10**9 }}", "characters"),
    ("{{ 'x'.ljust(10**9) }}", "template"),
    ("{{ '%1000000000d' | format(1) }}", "template"),
    ("{{ 9**(9**9) }}", "bits"),
    ("{{ ''.__class__.__mro__ }}", "closed"),
    ("{{ messages[0].__class__ }}", "template"),
    ("{{ ''['__class__'] }}{{ cycler.__init__.__globals__ }}", "template"),
    ("{{ raise_exception('no \x1b[31m\nway') }}", "no"),
    ("{% include 'other' %}", "template"),
    ("{% import 'os' as os %}{{ os.system('x') }}", "template"),
    ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "template"),
    ("{% if", "template"),
    ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "template"),
    ("{{ strftime_now('%Y') }}", "strftime_now"),
    ("{# " + "x" * 5_000_000 + " #}{{ 1 }}", "characters"),
    ("{{ 1 / 0 }}", "template"),
]


def chat_recipe(student: Path, **changes: object) -> str:
    return yaml.safe_dump(
        {
            "student": str(student),
            "train_on": {"set": "jsonl", "path": "train.jsonl"},
            "teachers": {"t": {"model": "./no-such-teacher", "format": "chat-cot"}},
            "objectives": [
                {"name": "cot", "format": "chat-cot", "target": "distribution", "teacher": "t"}
            ],
            "evaluation": {"formats": ["chat-cot"]},
            **changes,
        }
    )


def model(folder: Path, template: str = "{{ messages[0].content }}") -> Path:
    """A directory with a tokenizer, its chat template, and what looks like a model."""
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        (folder / name).write_bytes((MODELS / "student" / name).read_bytes())
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "chat_template.jinja").write_text(template)
    return folder


@pytest.mark.parametrize(("template", "says"), TEMPLATES, ids=range(len(TEMPLATES)))
@pytest.mark.parametrize("dry", [True, False], ids=["dry", "run"])
def test_chat_templates(tmp_path: Path, template: str, says: str, dry: bool) -> None:
    student = model(tmp_path / "student", template)
    (tmp_path / "train.jsonl").write_text('{"id": "a", "question": "1 + 1?", "answer": "2"}\n')
    (tmp_path / "recipe.yaml").write_text(chat_recipe(student))
    words = ["run", "recipe.yaml", "--out", "run", *(["--dry-run"] if dry else [])]
    refuse(tmp_path, *words).refused(says)
    assert not (tmp_path / "run").exists()


CHATS: list[tuple[object, str]] = [
    ({"arguments": {"messages": []}}, "messages"),
    ({"arguments": {"add_generation_prompt": False}}, "add_generation_prompt"),
    ({"arguments": {"tools": [1]}}, "tools"),
    ({"arguments": 3}, "arguments"),
    ({"arguments": [1]}, "arguments"),
    ({"system": 3}, "system"),
    ({"system": None}, "system"),
    ({"sistem": "x"}, "sistem"),
    ([], "chat"),
]


@pytest.mark.parametrize(("chat", "says"), CHATS, ids=range(len(CHATS)))
def test_chat_recipes(tmp_path: Path, chat: object, says: str) -> None:
    (tmp_path / "train.jsonl").write_text('{"id": "a", "question": "1 + 1?", "answer": "2"}\n')
    (tmp_path / "recipe.yaml").write_text(chat_recipe(model(tmp_path / "student"), chat=chat))
    refuse(tmp_path, "run", "recipe.yaml", "--out", "run", "--dry-run").refused(says)


# ---- GGUF --------------------------------------------------------------------------------------


def text(value: str | bytes) -> bytes:
    said = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(said)) + said


def front(entries: int = 0, tensors: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, entries)


def entry(key: str | bytes, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def array(kind: int, count: int, values: bytes = b"") -> bytes:
    return struct.pack("<IQ", kind, count) + values


def texts(*values: str) -> bytes:
    return array(8, len(values), b"".join(map(text, values)))


MANY = 1 << 62
GGUFS: list[tuple[bytes, str]] = [
    (b"", "no GGUF file"),
    (b"GGUX" + bytes(100), "no GGUF file"),
    (b"GGUF", "cut short"),
    (front(version=99), "version 99"),
    (b"GGUF" + struct.pack(">I", 3) + bytes(64), "big-endian"),
    (front(entries=MANY), "entries"),
    (front(tensors=MANY), "tensors"),
    (front(entries=1), "entries"),
    (front(entries=1) + struct.pack("<Q", MANY) + bytes(32), "text"),
    (front(entries=1) + entry(b"\xff\xfe", 4, bytes(32)), "UTF-8"),
    (front(entries=1) + entry("a", 77, bytes(32)), "unknown type"),
    (front(entries=1) + entry("a", 9, array(9, 1, array(9, 1, array(4, 1)))), "unknown type"),
    (front(entries=1) + entry("a", 9, array(4, MANY) + bytes(32)), "numbers"),
    (front(entries=1) + entry("a", 9, array(8, MANY) + bytes(32)), "texts of a"),
    (front(entries=1) + entry("split.count", 2, struct.pack("<H", 9)) + bytes(64), "9 parts"),
    (front(entries=1) + entry("general.alignment", 4, struct.pack("<I", 0)), "alignment"),
    (front(tensors=1) + text("t") + struct.pack("<I", 1 << 30) + bytes(64), "dimensions"),
    (front(tensors=1) + text("t") + struct.pack("<IQIQ", 1, 4, 0, MANY), "begins at byte"),
    (front(), "tokenizer"),
    (front(entries=1) + entry("tokenizer.ggml.model", 8, text("no-such-kind")), "tokens"),
    (front(entries=1) + entry("tokenizer.ggml.model", 8, text("gpt2")), "token"),
    (front(entries=2) + entry("tokenizer.ggml.model", 8, text("gpt2"))
     + entry("tokenizer.ggml.tokens", 9, texts("a", "a")), ""),
    (front(entries=3) + entry("tokenizer.ggml.model", 8, text("gpt2"))
     + entry("tokenizer.ggml.tokens", 9, texts("a", "b"))
     + entry("tokenizer.ggml.merges", 9, texts("x y")), ""),
    (front(entries=3) + entry("tokenizer.ggml.model", 8, text("llama"))
     + entry("tokenizer.ggml.tokens", 9, texts("a", "b"))
     + entry("tokenizer.ggml.scores", 9, array(6, 1, struct.pack("<f", 0))), ""),
]  # fmt: skip


@pytest.mark.parametrize(("content", "says"), GGUFS, ids=range(len(GGUFS)))
def test_gguf(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "evil.gguf").write_bytes(content)
    refuse(tmp_path, "pair", "evil.gguf", STUDENT).refused(says)


# ---- files of examples -------------------------------------------------------------------------

GOOD = {"id": "a", "question": "1 + 1?", "answer": "2"}


def bomb(megabytes: int) -> bytes:
    """What unpacks to blanks: a small file over and over, as gzip allows."""
    return gzip.compress(b" " * (8 << 20), 9) * (megabytes // 8)


def many_rows(count: int) -> bytes:
    """A parquet file in which one row stands for ``count``."""
    sink = pa.BufferOutputStream()
    each = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), ["x"])
    table = pa.table(dict.fromkeys(("id", "question", "answer"), each))
    parquet.write_table(table, sink, row_group_size=count)
    return sink.getvalue().to_pybytes()


def real_parquet() -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"question": ["q"], "answer": ["1"]}), sink)
    return sink.getvalue().to_pybytes()


CHECKED: list[tuple[str, Callable[[], bytes], str]] = [
    ("a.jsonl.gz", lambda: bomb(1024), "unpacks to"),
    ("a.json.gz", lambda: bomb(400), "unpacks to"),
    ("a.csv.gz", lambda: bomb(400), "unpacks to"),
    ("a.jsonl.gz", lambda: b"\x1f\x8b\x08\x00broken", "a.jsonl.gz"),
    ("a.jsonl.gz", lambda: gzip.compress(b"{}" * 99)[:-9], "a.jsonl.gz"),
    ("a.jsonl", lambda: b"[" * 1_000_000, "line 1"),
    ("a.json", lambda: b"[" * 1_000_000, "a.json"),
    ("a.json", lambda: b'[{"question":' * 100_000, "a.json"),
    ("a.jsonl", lambda: b"x" * 20_000_000, "line 1"),
    ("a.jsonl", lambda: b'{"question": "' + b"x" * 20_000_000, "line 1"),
    ("a.csv", lambda: b"question,answer\n" + b"x" * 20_000_000, "CSV"),
    ("a.csv", lambda: b'question,answer\n"a', "CSV"),
    ("a.csv", lambda: b"question,answer\na,b,c\n", "3 cells"),
    ("a.csv", lambda: b"", "empty"),
    ("a.csv", lambda: b"question,answer\n\xff,1\n", "UTF-8"),
    ("a.tsv", lambda: b"question,answer\na,1\n", "question"),
    ("a.parquet", lambda: b"PAR1" + bytes(4) + b"PAR1", "parquet"),
    ("a.parquet", lambda: b"PAR1" + b"\xff" * 4 + b"PAR1", "parquet"),
    ("a.parquet", lambda: b"PAR1" + b"\x15\x04" * 50 + b"\x64\0\0\0PAR1", "parquet"),
    ("a.parquet", lambda: real_parquet()[:-20], "parquet"),
    ("a.parquet", lambda: real_parquet().replace(b"question", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe"),
     ""),
    ("a.parquet", lambda: many_rows(5_000_000), "rows"),
    ("a.pkl", lambda: b"cos\nsystem\n(S'x'\ntR.", "not read"),
    ("a.tar", lambda: b"x", "unpack it first"),
    ("a.xlsx", lambda: b"PK", "not read"),
    ("saved/state.json", lambda: b'{"_data_files": [{"filename": "../x"}]}', "no file of rows"),
    ("saved/state.json", lambda: b"[" * 100_000, "state.json"),
    ("saved/state.json", lambda: b'{"_data_files": [{"filename": "gone.arrow"}]}', "damaged"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "says"), CHECKED, ids=range(len(CHECKED)))
def test_data_check(tmp_path: Path, name: str, content: Callable[[], bytes], says: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content())
    named = path.parent if name.startswith("saved/") else path
    refuse(tmp_path, "data", "check", named.name).refused(says)


# ---- dumps of others ---------------------------------------------------------------------------

OF = ["--teacher", "t", "--tokenizer", STUDENT]
COLUMNS = ["--ids", "i", "--values", "v", "--as", "logprobs", "--tokens", "t", "--rows", "own"]
IMPORTS: list[tuple[list[str], bytes, str]] = [
    (["columns", "a.jsonl", "out", *OF], b"{}", ""),
    (["columns", "a.jsonl", "out", *OF, "--preset", "nobody"], b"{}", "nobody"),
    (["columns", "a.jsonl", "out", *OF, *COLUMNS], b"", "a.jsonl"),
    (["columns", "a.jsonl", "out", *OF, *COLUMNS], b"{", "line 1"),
    (["columns", "a.jsonl", "out", *OF, *COLUMNS], b"{}", "column"),
    (["columns", "a.jsonl", "out", *OF, *COLUMNS], b'{"i": 3, "v": {}, "t": "x"}', ""),
    (["columns", "a.jsonl", "out", *OF, *COLUMNS],
     b'{"i": [[-1]], "v": [[-0.1]], "t": [5]}', ""),
    (["columns", "a.jsonl", "out", *OF, *COLUMNS],
     b'{"i": [[99999999999]], "v": [[-0.1]], "t": [5]}', ""),
    (["columns", "a.jsonl", "out", *OF, *COLUMNS],
     b'{"i": [[5]], "v": [[-0.1]], "t": [99999999999999999999999]}', ""),
    (["columns", "a.jsonl", "out", *OF, *COLUMNS],
     b'{"i": [[5], [6, 7]], "v": [[-0.1], [1]], "t": [5, 6]}', ""),
    (["columns", "a.jsonl", "out", *OF, *COLUMNS],
     b'{"i": [[5]], "v": [[1e308]], "t": [5]}', ""),
    (["columns", "a.jsonl", "out", *OF, *COLUMNS[:-1], "last"],
     b'{"i": [[5]], "v": [[-0.1]], "t": [-5, 5]}', ""),
    (["columns", "a.jsonl", "out", *OF, *COLUMNS], b'{"i": ' + b"[" * 100_000, "line 1"),
    (["columns", "a.parquet", "out", *OF, *COLUMNS], b"PAR1PAR1", "parquet"),
    (["columns", "a.pt", "out", *OF, *COLUMNS], b"cos\nsystem\n(S'x'\ntR.", "pickled"),
    (["columns", "a.pkl", "out", *OF, *COLUMNS], b"cos\nsystem\n(S'x'\ntR.", "pickled"),
    (["columns", "empty", "out", *OF, *COLUMNS], b"", "empty"),
    (["distillkit", "empty", "out", *OF], b"", ""),
    (["distillkit", "empty", "out", *OF, "--config", "[1]"], b"", ""),
    (["distillkit", "empty", "out", *OF, "--config", "{d: -1, k: 2, exact_k: 2}"], b"", ""),
    (["distillkit", "empty", "out", *OF, "--config", "a: &x [1]\nb: *x"], b"", "--config"),
    (["distillkit", "a.parquet", "out", *OF, "--config",
      "{d: 9, k: 1, exact_k: 1, exact_dtype: float32, residual_bins: []}"], b"PAR1PAR1", "parquet"),
    (["json", "a.jsonl", "out", *OF], b"", "a.jsonl"),
    (["json", "a.jsonl", "out", *OF], b"[1]", "line 1"),
    (["json", "a.jsonl", "out", *OF], b"{}", ""),
    (["json", "a.jsonl", "out", *OF], b'{"choices": []}', ""),
    (["json", "a.jsonl", "out", *OF], b'{"choices": [{"text": 3, "logprobs": [[]]}]}', ""),
    (["json", "a.jsonl", "out", *OF], b'{"response": {"body": {"choices": [{"message": 3}]}}}', ""),
    (["json", "a.jsonl", "out", *OF], b'{"text": "x", "logprobs": [null, [{"token": "token_id:-5", '
     b'"logprob": 9}]]}', ""),
    (["json", "a.jsonl", "out", *OF], b'{"input_ids": [5, 99999999999], "target_token_ids": [[5]], '
     b'"logprobs": [[-1]]}', ""),
    (["json", "a.jsonl", "out", *OF, "--temperature", "-1"], b"{}", "--temperature"),
    (["json", "a.jsonl", "out", *OF, "--top-k", "0"], b"{}", "--top-k"),
    (["json", "a.jsonl", "out", "--teacher", "t", "--tokenizer", "./missing"], b"{}", "missing"),
    (["texts", "a.jsonl", "out"], b"{}", "teacher"),
    (["texts", "a.jsonl", "out"], b'{"text": "x", "prompt": "y"}', "teacher"),
    (["texts", "a.jsonl", "out", "--teacher", "t"], b'{"text": 3, "prompt": "y"}', "text"),
    (["texts", "a.jsonl", "out", "--teacher", "t"], b'{"text": "x"}', "neither"),
    (["texts", "a.jsonl", "out", "--teacher", "../t"],
     b'{"text": "x", "prompt": "y", "finish_reason": "murdered"}', ""),
    (["palm", "empty", "out", "--data", "jsonl", "--path", "a.jsonl"], b"{}", ""),
    (["tinyllm", "empty", "out", "--data", "jsonl", "--path", "a.jsonl"], b"{}", ""),
    (["codex", "empty", "out", "--questions", "a.jsonl"], b"{}", ""),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "content", "says"), IMPORTS, ids=range(len(IMPORTS)))
def test_imports(tmp_path: Path, arguments: list[str], content: bytes, says: str) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("a.jsonl", "a.parquet", "a.pt", "a.pkl"):
        (tmp_path / name).write_bytes(content)
    refuse(tmp_path, "import", *arguments).refused(says)


# ---- pairs, runs and stores of others ----------------------------------------------------------

PAIRS: list[tuple[list[str], str]] = [
    (["./missing", STUDENT], "missing"),
    ([STUDENT, "./missing"], "missing"),
    (["empty", STUDENT], "empty"),
    ([STUDENT, STUDENT, "--responses", "0"], "--responses"),
    ([STUDENT, STUDENT, "--texts", "missing.jsonl"], "missing.jsonl"),
    ([STUDENT, STUDENT, "--texts", "bad.jsonl"], "text"),
    ([STUDENT, STUDENT, "--texts", "empty"], "empty"),
    (["bad", STUDENT], "store.json"),
    (["./missing", STUDENT, "--score"], "missing"),
    ([STUDENT], "STUDENT"),
]


@pytest.mark.parametrize(("arguments", "says"), PAIRS, ids=range(len(PAIRS)))
def test_pairs(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "store.json").write_text("[" * 100_000)
    (tmp_path / "bad.jsonl").write_text('{"text": 3}\n')
    refuse(tmp_path, "pair", *arguments).refused(says)


RUN = "student: ./student\n" + yaml.safe_dump(
    {
        "train_on": {"set": "jsonl", "path": "train.jsonl"},
        "teachers": {"t": {"model": "./no-such-teacher"}},
        "objectives": [
            {"name": "cot", "format": "zero-shot-cot", "target": "distribution", "teacher": "t"}
        ],
        "evaluation": {
            "sets": [
                {"set": "jsonl", "name": "s", "role": "in-distribution", "protocol": "files",
                 "path": "{split}.jsonl"}
            ]
        },
    }
)  # fmt: skip
DEEP = "[" * 100_000
RUNS: list[tuple[list[str], dict[str, str], str]] = [
    (["select", "run"], {}, "score"),
    (["select", "run", "--rule", "best"], {}, "best"),
    (["select", "run"], {"scores.jsonl": DEEP}, ""),
    (["select", "run"], {"scores.jsonl": "{}\n"}, ""),
    (["select", "run"], {"scores.jsonl": '{"body": {}, "crc32": "00000000"}\n'}, ""),
    (["select", "run"], {"scores.jsonl": "\x00\xff\n"}, ""),
    (["select", "run"], {"recipe.yaml": "a: &x [1]\nb: *x"}, "aliases"),
    (["report", "run"], {"scores.jsonl": DEEP + "\n"}, "scores.jsonl"),
    (["report", "run"], {"selection.json": DEEP}, ""),
    (["report", "run"], {"selection.json": '{"step": "../../x"}'}, ""),
    (["report", "run"], {"metrics.jsonl": DEEP, "selection.json": "3"}, ""),
    (["report", "run", "run"], {}, ""),
    (["report", "run", "empty"], {}, "recipe.yaml"),
    (["evaluate", "run", "--split", "test"], {}, "select"),
    (["evaluate", "run", "--split", "test"], {"selection.json": DEEP}, ""),
    (["evaluate", "run", "--shard", "3/2"], {}, "3/2"),
    (["evaluate", "run", "--shard", "x"], {}, "x"),
    (["evaluate", "run", "--step", "-7"], {}, "-7"),
    (["evaluate", "run", "--set", "student=x"], {}, "student"),
    (["average", "run", "out", "--steps", "1,2"], {}, "1"),
    (["average", "run", "out", "--steps", "9" * 5000 + ",1"], {}, ""),
    (["average", "run", "out", "--steps", ","], {}, "--steps"),
    (["compare", "run", "run"], {}, ""),
    (["compare", "run", "empty"], {}, "predictions"),
    (["compare", "run/predictions/x", "run"], {"predictions/x/s.jsonl": DEEP}, ""),
    (["compare", "a.json", "b.json"], {}, "a.json"),
    (["compare", "run", "run"], {"predictions/step-000000/s.jsonl": DEEP}, ""),
    (["inspect", "run"], {"targets/t/store.json": DEEP}, ""),
    (["inspect", "run", "--rows", "1"], {}, ""),
    (["inspect", "run/targets/t"], {"targets/t/store.json": DEEP}, "store.json"),
    (["train", "run/recipe.yaml", "run"], {"targets/t/store.json": DEEP}, ""),
    (["run", "--out", "new"], {}, "RECIPE"),
    (["run", "--out", "new", "--from", "missing"], {}, "missing"),
    (["run", "--out", "new", "--from", "empty"], {}, "empty"),
    (["run", "--out", "new", "--from", "run", "--dry-run"], {"recipe.yaml": DEEP}, "nested"),
    (["run", "--out", "new", "--from", "run", "--dry-run"],
     {"recipe.yaml": RUN.replace("  t:", "  ../../t:")}, "cannot be a name"),
    (["run", "--out", "new", "--from", "run", "--dry-run"], {"responses/t/store.json": DEEP}, ""),
    (["run", "--out", "new", "--from", "run", "--set", "seed=[", "--dry-run"], {}, "not YAML"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "files", "says"), RUNS, ids=range(len(RUNS)))
def test_runs(tmp_path: Path, arguments: list[str], files: dict[str, str], says: str) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(DEEP)
    model(tmp_path / "student")
    for name in ("train", "validation", "test"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(GOOD | {"id": name}) + "\n")
    for name, content in {"recipe.yaml": RUN, **files}.items():
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    refuse(tmp_path, *arguments).refused(says)
    assert not (tmp_path / "new").exists()


def sealed(value: dict[str, object]) -> str:
    return seal(value).decode()


STORES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("store.json", lambda _: b"", "store.json"),
    ("store.json", lambda _: b"{}", "store.json"),
    ("store.json", lambda _: DEEP.encode(), "store.json"),
    ("store.json", lambda old: old[: len(old) // 2], "store.json"),
    ("store.json", lambda _: sealed({"format_version": 999}).encode(), "store.json"),
    ("store.json", lambda _: sealed({"k": -1}).encode(), "store.json"),
    ("manifest.jsonl", lambda _: DEEP.encode(), ""),
    ("manifest.jsonl", lambda _: sealed({"name": "../../../etc/passwd"}).encode(), ""),
    ("manifest.jsonl", lambda _: sealed({"samples": 1 << 60}).encode(), ""),
    ("summary.json", lambda _: DEEP.encode(), ""),
    ("summary.json", lambda old: old.replace(b"0", b"1"), ""),
    ("shards/*.safetensors", lambda _: struct.pack("<Q", 1 << 60), ""),
    ("shards/*.safetensors", lambda old: old[:-5], ""),
    ("shards/*.jsonl", lambda _: DEEP.encode(), ""),
]


@pytest.mark.parametrize(("name", "change", "says"), STORES, ids=range(len(STORES)))
@pytest.mark.parametrize("command", ["export", "align"])
def test_stores(
    tmp_path: Path, command: str, name: str, change: Callable[[bytes], bytes], says: str
) -> None:
    write_store(tmp_path / "store")
    (path,) = sorted((tmp_path / "store").glob(name))[:1]
    path.write_bytes(change(path.read_bytes()))
    words = {
        "export": ["export", "store", "out.jsonl"],
        "align": ["align", "store", "out", "--student", STUDENT],
    }
    refuse(tmp_path, *words[command]).refused(says)


def test_there_are_enough_of_them() -> None:
    tables = [TEMPLATES, CHATS, GGUFS, IMPORTS, PAIRS]
    assert all(len({repr(row) for row in table}) == len(table) for table in tables)
    doubled = len(TEMPLATES) + len(STORES)
    assert sum(map(len, [*tables, CHECKED, RUNS, STORES])) + doubled >= 200
