"""Hostile and unlucky inputs: an exit code and one line each, in seconds and without much memory.

Each row is (what is given, what the line must say). Nothing here needs a model; everything runs in
this process, as the command line does.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.support.hostile import refuse, warm


@pytest.fixture(scope="module", autouse=True)
def warmed(tmp_path_factory: pytest.TempPathFactory) -> None:
    warm(tmp_path_factory.mktemp("warm"))


def recipe(**changes: object) -> str:
    values: dict[str, object] = {
        "student": "no-such-student",
        "train_on": {"set": "jsonl", "path": "train.jsonl"},
        "teachers": {"t": {"model": "no-such-teacher"}},
        "objectives": [
            {"name": "cot", "format": "zero-shot-cot", "target": "distribution", "teacher": "t"}
        ],
        **changes,
    }
    return yaml.safe_dump(values)


def objective(**changes: object) -> dict[str, object]:
    base = {"name": "cot", "format": "zero-shot-cot", "target": "distribution", "teacher": "t"}
    return {"objectives": [base | changes]}


def teacher(**changes: object) -> dict[str, object]:
    return {"teachers": {"t": {"model": "m"} | changes}}


def evaluated(**changes: object) -> dict[str, object]:
    return {"evaluation": {"sets": [{"set": "gsm8k", "role": "general"} | changes]}}


RECIPES: list[tuple[str | bytes, str]] = [
    ("", "must be a mapping"),
    ("[]", "must be a mapping"),
    ("3", "must be a mapping"),
    ("~", "must be a mapping"),
    ("a: 1\na: 2", "appears twice"),
    ("a: &x [1]\nb: *x", "aliases"),
    ("[" * 5000, "nested deeper"),
    ("{a: " * 400, "nested deeper"),
    ("a: [", "not YAML"),
    ("a: 'x", "not YAML"),
    ("\t- a", "not YAML"),
    ("!!python/object:os.system {}", "not YAML"),
    ("? {a: 1}\n: 2", "a key must be a word"),
    ("[a]: 1", "a key must be a word"),
    (b"\xff\xfe\x00", "not UTF-8"),
    (b"\x80", "not UTF-8"),
    ("a: \x07", "not YAML"),
    ("x: " + "y" * (1 << 20), "bytes"),
    ("name: x", "student"),
    (recipe(studnet="x"), "studnet"),
    (recipe(student=3), "student"),
    (recipe(student=None), "student"),
    (recipe(seed=-5), "seed"),
    (recipe(seed="x"), "seed"),
    (recipe(seed=1.5), "seed"),
    (recipe(seed=10**30), "seed"),
    (recipe(name=""), "cannot be a name"),
    (recipe(name="../x"), "cannot be a name"),
    (recipe(name="=1+1"), "cannot be a name"),
    (recipe(name="a\x1b[31m"), "cannot be a name"),
    (recipe(objectives=[]), "objectives"),
    (recipe(objectives={}), "objectives"),
    (recipe(**objective(weight=float("inf"))), "weight"),
    (recipe(**objective(weight=float("nan"))), "weight"),
    (recipe(**objective(weight=-1)), "weight"),
    (recipe(**objective(weight=0)), "weight"),
    (recipe(**objective(weight="much")), "weight"),
    (recipe(**objective(target="answers")), "target"),
    (recipe(**objective(format="zero-shot")), "format"),
    (recipe(**objective(teacher="nobody")), "nobody"),
    (recipe(**objective(teacher=None)), "teacher"),
    (recipe(**objective(name="a/b")), "cannot be a name"),
    (recipe(**teacher(samples=0)), "samples"),
    (recipe(**teacher(samples=9_999_999_999)), "samples"),
    (recipe(**teacher(samples=-1)), "samples"),
    (recipe(**teacher(temperature=0)), "temperature"),
    (recipe(**teacher(temperature=float("inf"))), "temperature"),
    (recipe(**teacher(top_logprobs=0)), "top_logprobs"),
    (recipe(**teacher(max_new_tokens=0)), "max_new_tokens"),
    (recipe(**teacher(mode="dream")), "mode"),
    (recipe(**teacher(server={})), "server"),
    (recipe(**teacher(server={"kind": "x", "urls": ["http://h"]})), "kind"),
    (recipe(**teacher(server={"kind": "vllm", "urls": []})), "urls"),
    (recipe(**teacher(server={"kind": "vllm", "urls": ["ftp://h"]})), "address"),
    (recipe(**teacher(server={"kind": "vllm", "urls": ["http://u:p@h"]})), "address"),
    (recipe(**teacher(server={"kind": "vllm", "urls": ["file:///etc/passwd"]})), "address"),
    (recipe(**teacher(server={"kind": "vllm", "urls": ["http://h"], "key_variable": "PATH"})),
     "_KEY or _TOKEN"),
    (recipe(teachers={"../../evil": {"model": "m"}}), "cannot be a name"),
    (recipe(teachers={"": {"model": "m"}}), "cannot be a name"),
    (recipe(teachers=[]), "teachers"),
    (recipe(**evaluated(role="best")), "role"),
    (recipe(**evaluated(name="a\nb")), "cannot be a name"),
    (recipe(**evaluated(protocol="files")), "{split}"),
    (recipe(**evaluated(protocol="index")), "index"),
    (recipe(**evaluated(limit=0)), "limit"),
    (recipe(optimization={"steps": 0}), "steps"),
    (recipe(optimization={"steps": 1e400}), "steps"),
    (recipe(optimization={"learning_rate": -1}), "learning_rate"),
    (recipe(optimization={"learning_rate": float("nan")}), "learning_rate"),
    (recipe(optimization={"warmup_steps": -1}), "warmup_steps"),
    (recipe(selection="best"), "selection"),
    (recipe(training={"tail": "nothing"}), "tail"),
    (recipe(alignment={"policy": "magic"}), "policy"),
    (recipe(alignment={"top_k": 0}), "top_k"),
    (recipe(train_on={"set": "jsonl", "path": "missing.jsonl"}), "missing.jsonl"),
    (recipe(train_on={"set": "no-such-set"}), "no-such-set"),
    (recipe(train_on={"set": "evil.py"}), "evil.py"),
    (recipe(train_on={"set": "jsonl", "path": "train.jsonl", "fraction": 2}), "fraction"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), RECIPES, ids=range(len(RECIPES)))
def test_recipes(tmp_path: Path, text: str | bytes, says: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "evil.py").write_text("raise SystemExit(99)\n")
    (tmp_path / "train.jsonl").write_text('{"id": "a", "question": "1 + 1?", "answer": "2"}\n')
    refuse(tmp_path, "run", "recipe.yaml", "--out", "run", "--dry-run").refused(says)
    assert not (tmp_path / "run").exists()


OVERRIDES = [
    ("seed", "key.key=value"),
    ("=3", "key.key=value"),
    ("", "key.key=value"),
    ("seed=[", "not YAML"),
    ("seed={", "not YAML"),
    ("seed=&a [*a]", "aliases"),
    ("seed=" + "[" * 5000, "nested deeper"),
    ("seed=-5", "seed"),
    ("seed=.inf", "seed"),
    ("seed=", "seed"),
    ("seeed=1", "seeed"),
    ("objectives.0.weight=.inf", "weight"),
    ("objectives.0.weight=.nan", "weight"),
    ("objectives.9.weight=1", "9"),
    ("objectives.x.weight=1", "x"),
    ("objectives.-1.weight=1", "-1"),
    ("objectives..weight=1", "there is no ''"),
    ("teachers.t.samples=9999999999", "samples"),
    ("teachers.t.samples=many", "samples"),
    ("teachers.t.server.urls=x", "server"),
    ("teachers.t.model.x=1", "model"),
    ("optimization.steps=1e3000", "steps"),
    ("optimization.steps=two", "steps"),
    ("optimization.steps=[1]", "steps"),
    ("optimization={a: 1}", "a"),
    ("optimization=3", "optimization"),
    ("name=../../evil", "cannot be a name"),
    ("student.name=x", "student"),
    ("a.b.c.d.e.f.g=1", "a"),
    ("evaluation.sets.0.role=x", "0"),
]


@pytest.mark.parametrize(("override", "says"), OVERRIDES, ids=range(len(OVERRIDES)))
def test_overrides(tmp_path: Path, override: str, says: str) -> None:
    (tmp_path / "recipe.yaml").write_text(recipe())
    (tmp_path / "train.jsonl").write_text('{"id": "a", "question": "1 + 1?", "answer": "2"}\n')
    refuse(tmp_path, "run", "recipe.yaml", "--out", "run", "--dry-run", "--set", override).refused(
        says
    )


GOOD = {"id": "a", "question": "1 + 1?", "answer": "2"}
LINES: list[tuple[str | bytes, str]] = [
    ("", "is empty"),
    ("\n\n", "is empty"),
    ("{", "line 1"),
    ("[1]", "line 1"),
    ("3", "line 1"),
    ("null", "line 1"),
    (json.dumps(GOOD) + "\n{", "line 2"),
    (json.dumps({"id": "a", "question": "q"}), "answer"),
    (json.dumps({"id": "a", "answer": "2"}), "question"),
    (json.dumps(GOOD | {"question": 3}), "question"),
    (json.dumps(GOOD | {"question": None}), "question"),
    (json.dumps(GOOD | {"question": ["q"]}), "question"),
    (json.dumps(GOOD | {"id": ["a"]}), "id"),
    (json.dumps(GOOD) + "\n" + json.dumps(GOOD), "a"),
    ('{"id": "a", "id": "b", "question": "q", "answer": "1"}', "twice"),
    (b'{"id": "a", "question": "\xff", "answer": "1"}', "UTF-8"),
    ('{"id": "a", "question": "\\ud800", "answer": "1"}', "line 1"),
    ("[" * 100_000, "line 1"),
    ('{"a":' * 100_000, "line 1"),
    ('{"id": "a", "question": "q", "answer": ' + "9" * 10_000 + "}", "line 1"),
    ('{"id": "a", "question": "q", "answer": NaN}', "line 1"),
    ("\x00" * 100, "line 1"),
    (b"\x1f\x8b\x08\x00broken", ""),
    (b"PAR1", ""),
]


@pytest.mark.parametrize(("text", "says"), LINES, ids=range(len(LINES)))
def test_lines_of_examples(tmp_path: Path, text: str | bytes, says: str) -> None:
    (tmp_path / "set.jsonl").write_bytes(text if isinstance(text, bytes) else text.encode())
    refuse(tmp_path, "data", "jsonl", "set.jsonl").refused(says)


ARGUMENTS = [
    (["data", "jsonl", "good.jsonl", "--show", "-1"], "--show"),
    (["data", "jsonl", "missing.jsonl"], "missing.jsonl"),
    (["data", "no-such-set", "good.jsonl"], "no-such-set"),
    (["data", "evil.py\x1b[31m"], ""),
    (["verify", "missing"], "missing"),
    (["verify", "good.jsonl"], "good.jsonl"),
    (["verify", "empty"], "empty"),
    (["inspect", "missing"], "missing"),
    (["inspect", "empty"], "empty"),
    (["inspect", "empty", "--rows", "0"], "--rows"),
    (["export", "empty", "x.parquet"], "empty"),
    (["export", "empty", "x.doc"], "x.doc"),
    (["align", "empty", "out", "--student", "missing"], "missing"),
    (["align", "empty", "out", "--student", "missing", "--top-k", "0"], "--top-k"),
    (["align", "empty", "out", "--student", "missing", "--threads", "0"], "--threads"),
    (["dump", "out", "--teacher", "missing", "--data", "jsonl", "--path", "good.jsonl",
      "--samples", "0"], "--samples"),
    (["dump", "out", "--teacher", "missing", "--data", "jsonl", "--path", "good.jsonl",
      "--samples", "9999999999"], "samples"),
    (["dump", "out", "--teacher", "m", "--data", "jsonl", "--path", "good.jsonl",
      "--temperature", "nan"], "temperature"),
    (["dump", "out", "--teacher", "m", "--data", "jsonl", "--path", "good.jsonl",
      "--seed", "x"], "--seed"),
    (["dump", "out", "--teacher", "m", "--data", "jsonl", "--path", "good.jsonl",
      "--url", "ftp://x"], ""),
    (["evaluate", "empty"], "recipe.yaml"),
    (["evaluate", "missing"], "recipe.yaml"),
    (["evaluate", "empty", "--shard", "3/2"], "recipe.yaml"),
    (["evaluate", "empty", "--processes", "0"], "--processes"),
    (["select", "empty"], "recipe.yaml"),
    (["rollouts", "empty"], "recipe.yaml"),
    (["report", "empty"], "recipe.yaml"),
    (["average", "empty", "out", "--steps", "x"], "--steps"),
    (["average", "empty", "out", "--steps", "1"], ""),
    (["recipes", "no-such"], "no-such"),
    (["schema", "no-such"], "no-such"),
    (["run", "missing.yaml", "--out", "run"], "missing.yaml"),
    (["train", "missing.yaml", "run"], "missing.yaml"),
    (["quickstart", "--out", "full"], "full"),
    (["quickstart", "--questions", "1"], "--questions"),
    (["import", "codex", "good.jsonl", "out", "--questions", "good.jsonl"], ""),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "says"), ARGUMENTS, ids=range(len(ARGUMENTS)))
def test_arguments(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "good.jsonl").write_text(json.dumps(GOOD) + "\n")
    refuse(tmp_path, *arguments).refused(says)
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


def test_there_are_enough_of_them() -> None:
    tables = [RECIPES, OVERRIDES, LINES, ARGUMENTS]
    assert sum(len({repr(row) for row in table}) for table in tables) >= 150
