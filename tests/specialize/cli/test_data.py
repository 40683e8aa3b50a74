"""The commands around stores: dump modes, export, import, inspect as a page, schema."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from click.testing import CliRunner

from specialize.cli.stages import cli
from specialize.quickstart.run import MODELS
from specialize.store import Store, verify
from tests.support import teacher_toys as toys
from tests.support.store_samples import topk_id, topk_logprob


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train.jsonl"
    lines = [
        {"id": e.id, "question": e.question, "answer": e.answer, "rationale": e.rationale}
        for e in toys.examples(3)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def store(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stores") / "s"
    run(
        "dump", out, "--teacher", toys.gpt2(), "--data", "jsonl", "--path", data, "--mode", "score",
        "--tail-temperature", 2, "--tail-temperature", 0.5,
    )  # fmt: skip
    return out


def test_dump_modes(data: Path, store: Path, tmp_path: Path) -> None:
    assert Store.open(store).description.tail_temperatures == (2.0, 0.5)
    run(
        "dump", tmp_path / "drawn", "--teacher", toys.gpt2(), "--data", "jsonl", "--path", data,
        "--draws", 6, "--max-new-tokens", 8, "--samples", 2,
    )  # fmt: skip
    about = Store.open(tmp_path / "drawn").description
    assert (about.k, about.layout, about.settings["entries"]) == (6, "ragged", "6 draws")
    planned = json.loads(
        run(
            "dump", tmp_path / "none", "--teacher", toys.gpt2(), "--data", "jsonl", "--path", data,
            "--entry-mass", 0.5, "--top-k", 50, "--max-new-tokens", 8, "--samples", 2,
            "--dry-run", "--json",
        )
    )  # fmt: skip
    assert planned["rows"] == 6
    assert not (tmp_path / "none").exists()


def test_export_and_import_again(data: Path, tmp_path: Path) -> None:
    """Of texts that a trained model sampled: those of a random one say too little."""
    store = tmp_path / "sampled"
    run(
        "dump", store, "--teacher", MODELS / "teacher", "--data", "jsonl", "--path", data,
        "--samples", 1, "--max-new-tokens", 40, "--temperature", 1,
    )  # fmt: skip
    run("export", store, tmp_path / "rows.parquet")
    assert parquet.read_table(tmp_path / "rows.parquet").num_rows == 3
    run("export", store, tmp_path / "rows.txt", code=2)
    run("export", store, tmp_path / "rows.txt", "--format", "jsonl")
    kept = tmp_path / "kept.jsonl"
    with (tmp_path / "rows.txt").open(encoding="utf-8") as file, kept.open("w") as out:
        for row in map(json.loads, file):
            record = {
                "id": row["example_id"], "input_ids": row["token_id"],
                "target_token_ids": row["topk_id"], "logprobs": row["topk_logprob"],
            }  # fmt: skip
            out.write(json.dumps(record) + "\n")
    told = run(
        "import", "json", kept, tmp_path / "again", "--teacher", "toy",
        "--tokenizer", MODELS / "teacher",
        "--data", "jsonl", "--path", data, "--json",
    )  # fmt: skip
    assert json.loads(told)["samples"] == 3
    again, before = Store.open(tmp_path / "again"), Store.open(store)
    assert again.keys == before.keys
    for one, other in zip(again, before, strict=True):
        assert np.sort(topk_id(one)).tolist() == np.sort(topk_id(other)).tolist()
        np.testing.assert_array_equal(topk_logprob(one), topk_logprob(other))
        assert one.response.text == other.response.text
    assert verify(tmp_path / "again").ok


def test_inspect_as_a_page(store: Path, tmp_path: Path) -> None:
    said = run("inspect", store, "--html", tmp_path / "page.html")
    assert said.strip() == str(tmp_path / "page.html")
    assert "Probability flow" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "most probable" in run("inspect", store)


def test_schema() -> None:
    assert run("schema").split() == [
        "recipe", "store", "manifest", "summary", "texts", "predictions", "figures", "plan"
    ]  # fmt: skip
    assert json.loads(run("schema", "store"))["title"] == "store"
