"""``--json`` of every command: one JSON object on standard output, and nothing else beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specialize.cli.stages import cli
from specialize.quickstart.run import MODELS, Outcome
from tests.support import toys
from tests.support.commands import Done, leaves, specialize

# What they print is itself a file or a picture: recipes is YAML, schema is JSON, inspect a table.
WITHOUT = {("recipes",), ("schema",), ("inspect",)}
OF = ["--teacher", "t", "--tokenizer", str(MODELS / "student")]
SPLIT = ["--data", "jsonl", "--path", "train.jsonl"]
STORE, STUDENT = "run/targets/toy", "student"
# In the order in which they can run on one world.
COMMANDS: list[list[str]] = [
    ["train", "recipe.yaml", "run"],
    ["evaluate", "run"],
    ["select", "run"],
    ["report", "run"],
    ["rollouts", "run", "--limit", "2", "--max-new-tokens", "4"],
    ["run", "recipe.yaml", "--out", "new", "--dry-run"],
    ["compare", "run/predictions/step-000000", "run/predictions/step-000003"],
    ["compare-stores", STORE, STORE],
    ["average", "run", "average", "--steps", "0,3"],
    ["verify", STORE],
    ["export", STORE, "store.jsonl"],
    ["dump", "dumped", "--teacher", str(MODELS / "teacher"), *SPLIT, "--mode", "score"],
    ["align", "dumped", "aligned", "--student", STUDENT],
    ["align", "dumped", "parts", "--student", STUDENT, "--shard", "0/1"],
    ["merge", "parts"],
    ["pair", "dumped", STUDENT],
    ["data", "jsonl", "train.jsonl"],
    ["data", "check", "train.jsonl"],
    ["import", "texts", "texts.jsonl", "texts", "--teacher", "t"],
    ["experiment", "X10", "--dry-run"],
    ["plan", "recipe.yaml"],
    ["env"],
]
# What these need is made in other tests; here a stand-in takes the place of the work.
REPLACED: list[tuple[list[str], str]] = [
    (["import", "codex", "texts.jsonl", "out", "--questions", "q"], "codex.import_codex"),
    (["import", "palm", ".", "out", *SPLIT], "palm.import_palm"),
    (["import", "tinyllm", ".", "out", *SPLIT], "tinyllm.import_tinyllm"),
    (["import", "distillkit", ".", "out", *OF], "distillkit.import_distillkit"),
    (["import", "columns", ".", "out", *OF, "--preset", "apertus"], "columns.import_columns"),
    (["import", "json", "texts.jsonl", "out", *OF], "vllm_json.import_json"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("json")
    toys.write_world(folder, count=6)
    changes = {"optimization": {"steps": 3}, "evaluation": {"max_new_tokens": 4}}
    (folder / "recipe.yaml").write_text(toys.toy_recipe(folder, **changes).to_yaml())
    (folder / "texts.jsonl").write_text('{"text": "So 2.", "prompt": "1 + 1?"}\n')
    return folder


def is_one_object(done: Done) -> bool:
    """Whether a command that went well printed one JSON object, on one line, and nothing else."""
    lines = done.stdout.splitlines()
    return done.returncode == 0 and len(lines) == 1 and isinstance(json.loads(lines[0]), dict)


def test_every_command_prints_one_object(world: Path) -> None:
    for words in COMMANDS:
        done = specialize(world, *words, "--json")
        assert is_one_object(done), done


@pytest.mark.parametrize(("words", "place"), REPLACED, ids=lambda v: str(v)[:24])
def test_imports_print_one_object(
    world: Path, words: list[str], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = {"rows": 3, "warnings": ["many"], "seconds": 1.5}
    monkeypatch.setattr(f"specialize.imports.{place}", lambda *_, **__: summary)
    monkeypatch.setattr("specialize.datasets.load", lambda *_, **__: [])
    assert is_one_object(specialize(world, *words, "--json"))
    done = specialize(world, *words)
    assert done.stderr == "warning: many\n"
    assert done.stdout.splitlines() == [f"{'rows':28} 3", f"{'seconds':28} 1.5 s"]


def test_quickstart_prints_one_object(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Outcome.__new__(Outcome)
    monkeypatch.setattr("specialize.quickstart.run.quickstart", lambda *_, **__: made)
    monkeypatch.setattr("specialize.quickstart.run.summary_table", lambda _: "a table")
    monkeypatch.setattr(Outcome, "as_json", lambda _: {"step": 3})
    assert is_one_object(specialize(world, "quickstart", "--out", "q", "--json"))


def test_no_command_is_forgotten() -> None:
    tried = [*COMMANDS, *(words for words, _ in REPLACED), ["quickstart"]]
    untried = {w for w in leaves(cli) if all(tuple(t[: len(w)]) != w for t in tried)}
    assert untried == WITHOUT
