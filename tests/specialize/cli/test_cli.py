"""The command line on a user's mistakes: one clear line, the right exit code, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from specialize import datasets
from specialize.cli import stages
from specialize.cli.console import run_command
from specialize.quickstart import world
from specialize.quickstart.run import MODELS
from tests.support.commands import Done, specialize

ROOT = Path(__file__).parents[3]
RECIPE = """
student: {student}
train_on: {{set: jsonl, path: train.jsonl}}
teachers: {{tiny: {{model: {teacher}, max_new_tokens: 40}}}}
objectives:
  - {{name: cot, format: zero-shot-cot, target: distribution, teacher: tiny}}
optimization: {{steps: 2, batch_rows: 2, accumulation: 1}}
evaluation:
  max_new_tokens: 16
  sets:
    - set: jsonl
      name: shop
      role: in-distribution
      path: "shop.{{split}}.jsonl"
      protocol: files
      kind: number
"""


def with_little_room(
    folder: Path, limit_bytes: int, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """The command line in a process that may write no file larger than ``limit_bytes``."""
    start = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes})); "
        "from specialize.cli.stages import main; main()"
    )
    return subprocess.run(
        # -B: Python would keep what it compiled cut off at the limit
        [sys.executable, "-B", "-c", start, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def refused(done: Done | subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(("error: ", "Error: ")), done.stderr
    for part in parts:
        assert part in last


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe with its data, and a finished store of responses."""
    path = tmp_path_factory.mktemp("cli")
    (path / "recipe.yaml").write_text(
        RECIPE.format(student=MODELS / "student", teacher=MODELS / "teacher")
    )
    datasets.write_jsonl(path / "train.jsonl", world.examples("shop", "train", 6))
    for split in ("validation", "test"):
        datasets.write_jsonl(path / f"shop.{split}.jsonl", world.examples("shop", split, 3))
    done = specialize(
        path, "dump", "responses", "--teacher", str(MODELS / "teacher"), "--data", "jsonl",
        "--path", "train.jsonl", "--mode", "score", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize(("wanted", "set_to"), [(None, "error"), ("info", "info")])
def test_the_library_says_nothing_between_our_lines(
    wanted: str | None, set_to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", wanted or "")
    if wanted is None:
        monkeypatch.delenv("TRANSFORMERS_VERBOSITY")
    monkeypatch.setattr(sys, "argv", ["specialize", "--version"])
    with pytest.raises(SystemExit):
        stages.main()
    assert os.environ["TRANSFORMERS_VERBOSITY"] == set_to


def test_verify_says_what_a_store_holds(folder: Path) -> None:
    done = specialize(folder, "verify", "responses", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"], found["rows"]) == (0, True, 6)
    assert found["positions"] > 6
    assert found["bytes_per_position"] == 26


def test_a_damaged_shard_is_found_and_never_used(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "store"
    subprocess.run(["cp", "-r", str(folder / "responses"), str(copy)], check=True)
    shard = next(copy.glob("shards/*.safetensors"))
    content = bytearray(shard.read_bytes())
    content[-20] ^= 1
    shard.write_bytes(content)
    done = specialize(folder, "verify", str(copy), "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["ok"] is False
    done = specialize(folder, "align", str(copy), str(tmp_path / "t"), "--student",
                      str(MODELS / "student"))  # fmt: skip
    refused(done, 3, shard.name)


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["data", "gsm8k", "nowhere.jsonl"], 3, ["nowhere.jsonl"]),
        (["data", "gsm9k", "train.jsonl"], 2, ["gsm9k", "known: "]),
        (["verify", "nowhere"], 3, ["nowhere"]),
        (["align", "nowhere", "t", "--student", "s"], 3, ["nowhere"]),
        (["align", "responses", "t", "--student", "./nostudent"], 3, ["nostudent"]),
        (["dump", "o", "--teacher", "./noteacher", "--data", "jsonl", "--path", "train.jsonl"],
         3, ["noteacher"]),
        (["train", "nowhere.yaml", "run"], 2, ["nowhere.yaml", "built-in recipes"]),
        (["train", "recipe.yaml", "run", "--set", "optimisation.steps=1"], 2,
         ["unknown key 'optimisation'", "did you mean 'optimization'"]),
        (["train", "recipe.yaml", "notargets"], 3, ["targets/tiny"]),
        (["evaluate", "nowhere"], 2, ["no recipe.yaml"]),
        (["report", "nowhere"], 2, ["no recipe.yaml"]),
        (["inspect", "responses", "--example", "shop/9"], 2, ["shop/9", "such as"]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(
    folder: Path, arguments: list[str], code: int, parts: list[str]
) -> None:
    refused(specialize(folder, *arguments), code, *parts)


def test_a_store_that_is_not_there_has_no_counts(folder: Path) -> None:
    done = specialize(folder, "verify", "nowhere")
    assert (done.returncode, done.stdout) == (3, "")


def test_a_line_that_is_not_json_is_named(folder: Path) -> None:
    (folder / "broken.jsonl").write_text('{"question": "1?", "answer": "#### 1"}\n{oops\n')
    refused(specialize(folder, "data", "gsm8k", "broken.jsonl"), 3, "broken.jsonl", "line 2")


def test_a_misspelt_command_gets_a_suggestion(folder: Path) -> None:
    done = specialize(folder, "dmup")
    assert done.returncode == 2
    assert "dump" in done.stderr


def test_a_student_with_another_tokenizer_than_the_targets(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = specialize(folder, "align", "responses", str(run / "targets" / "tiny"), "--student",
                      str(MODELS / "teacher"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    refused(specialize(folder, "train", "recipe.yaml", str(run)), 2, "tokenizer", "align again")


def test_other_settings_are_refused_and_named(folder: Path) -> None:
    done = specialize(
        folder, "dump", "responses", "--teacher", str(MODELS / "teacher"), "--data", "jsonl",
        "--path", "train.jsonl", "--mode", "score", "--top-k", "3",
    )  # fmt: skip
    refused(done, 2, "k", "5", "3")


def test_a_full_disk_loses_nothing(folder: Path, tmp_path: Path) -> None:
    arguments = ["dump", str(tmp_path / "r"), "--teacher", str(MODELS / "teacher"), "--data",
                 "jsonl", "--path", "train.jsonl", "--mode", "score"]  # fmt: skip
    refused(with_little_room(folder, 3000, *arguments), 5, "room")
    assert specialize(folder, *arguments).returncode == 0
    for name in ("manifest.jsonl", "store.json"):
        assert (tmp_path / "r" / name).read_bytes() == (folder / "responses" / name).read_bytes()


def test_a_full_disk_while_training(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = specialize(folder, "align", "responses", str(run / "targets" / "tiny"), "--student",
                      str(MODELS / "student"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    refused(with_little_room(folder, 100_000, "train", "recipe.yaml", str(run)), 5)
    done = specialize(folder, "train", "recipe.yaml", str(run), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["checkpoints"] == ["step-000000", "step-000002"]
    again = specialize(folder, "train", "recipe.yaml", str(run), "--json")
    assert json.loads(again.stdout)["trained"] == 0
    changed = specialize(folder, "train", "recipe.yaml", str(run), "--set", "seed=1")
    refused(changed, 2, "seed")


def test_a_dry_run_writes_nothing(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = specialize(folder, "run", "recipe.yaml", "--out", str(out), "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert (plan["training_examples"], plan["tiny_rows"]) == (6, 6)
    assert not out.exists()


def test_an_end_of_data_inside_a_command_is_no_interruption(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @click.command()
    def reads() -> None:
        raise EOFError("marshal data too short")

    monkeypatch.setattr(sys, "argv", ["reads"])
    with pytest.raises(EOFError, match="marshal data too short"):
        run_command(reads)
