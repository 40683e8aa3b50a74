"""A pair judged from its tokenizers alone, from a store, and refused where there is nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from specialize.cli.stages import cli
from specialize.errors import SpecializeError
from specialize.pairs.evidence import Given, assume
from specialize.pairs.forecast import ClassForecast, SizeForecast, advised_k
from specialize.pairs.stage import judge
from specialize.quickstart.run import MODELS
from specialize.tokens import load_tokenizer

TEXTS = [
    Given(f"She has {i} + {i + 3} = {2 * i + 3} apples.\nThe answer is {i}") for i in range(30)
]


def test_one_tokenizer_loses_the_tail_alone() -> None:
    tokenizer = load_tokenizer(MODELS / "student")
    found = judge(assume(tokenizer, TEXTS), tokenizer, responses=300)
    assert found["one_to_one"] == 1.0
    for size in found["k"].values():  # type: ignore[union-attr]
        assert size["total_variation"] == pytest.approx(1 - size["stored"], abs=1e-6)


@pytest.mark.parametrize(
    ("responses", "target"), [(100, "distribution"), (101, "rationale"), (300_000, "rationale")]
)
def test_few_texts_are_learnt_as_distributions(responses: int, target: str) -> None:
    tokenizer = load_tokenizer(MODELS / "student")
    found = judge(assume(tokenizer, TEXTS), tokenizer, responses=responses)
    assert found["advised_target"] == target


def test_advice_is_the_least_k_that_is_as_true() -> None:
    def size(k: int, distance: float) -> SizeForecast:
        return SizeForecast(k, ClassForecast(1, 1.0, 1.0, 1, distance, 0.0), {}, 1.0, 0.0, 0.0)

    assert advised_k([size(5, 0.2), size(20, 0.105), size(64, 0.1)]) == 20
    assert advised_k([size(5, 0.2), size(20, 0.15), size(64, 0.1)]) == 64


def test_the_command_prints_one_object(tmp_path: Path) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": one.text}) + "\n" for one in TEXTS))
    names = [str(MODELS / "teacher"), str(MODELS / "student")]
    done = CliRunner().invoke(cli, ["pair", *names, "--texts", str(file), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["rows"] == "assumed"
    assert found["texts"] == 30
    assert 0.85 < found["teacher_mass"]["5"] < 0.97
    assert set(found["k"]) == {"5", "20", "64"}
    distances = [found["k"][k]["total_variation"] for k in ("5", "20", "64")]
    assert distances == sorted(distances, reverse=True)
    shown = CliRunner().invoke(cli, ["pair", *names, "--texts", str(file)])
    assert f"{found['k']['5']['total_variation']:8.3f}" in shown.stdout
    assert any(line.endswith("a student cannot write one") for line in found["warnings"])


MISTAKES = {  # what is given in place of texts, page or models, and what is said of it
    "no file": (["--texts", "none.jsonl"], "no file .*none.jsonl; expected there: texts with the"),
    "no JSON": (["--texts", "plain.txt"], "line 1, is not JSON .*; expected: texts with the field"),
    "no field": (["--texts", "asked.jsonl"], "line 1: no field 'text'; fields there: question"),
    "empty": (["--texts", "empty.jsonl"], "is empty; expected: texts with the field text"),
    "page": (["--texts", "plain.txt", "--page", "plain.txt"], "is there already; name a new file"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_before_anything_is_computed(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in {"plain.txt": "words", "asked.jsonl": '{"question": "x"}'}.items():
        Path(name).write_text(content)
    Path("empty.jsonl").touch()
    options, said = MISTAKES[mistake]
    names = [str(MODELS / "teacher"), str(MODELS / "student")]
    done = CliRunner().invoke(cli, ["pair", *names, *options])
    assert isinstance(done.exception, SpecializeError)
    assert re.search(said, str(done.exception))


def test_a_missing_model_is_named() -> None:
    done = CliRunner().invoke(cli, ["pair", str(MODELS / "teacher"), "./none/here"])
    assert str(done.exception) == "no tokenizer at ./none/here: there is no such file or directory"
