"""A store in the forms of other trainers comes back as the same rows."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from specialize.cli.stages import cli
from specialize.errors import ConfigurationError
from specialize.imports.columns import import_columns
from specialize.imports.distillkit import import_distillkit
from specialize.imports.layouts import PRESETS
from specialize.imports.vllm_json import import_json
from specialize.quickstart.run import MODELS
from specialize.store import Sample, Store
from specialize.store import export as export_module
from specialize.store.export import export_store
from specialize.tokens import load_tokenizer
from tests.support.drawn_rows import drawn
from tests.support.import_forms import axolotl_two, write_lines
from tests.support.store_samples import topk_id, topk_logprob

TEACHER = str(MODELS / "teacher")
K = 5


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve texts, of some rows fewer entries than the others."""
    rng, tokenizer = np.random.default_rng(3), load_tokenizer(TEACHER)
    folder = tmp_path_factory.mktemp("store")
    records = [axolotl_two(drawn(rng, tokenizer, k=K, count=1 + n % 3)) for n in range(12)]
    logprobs = records[0]["logprobs"]
    assert isinstance(logprobs, list)
    logprobs[2] = [-0.5, -0.9324, -9999.0, -9999.0, -9999.0]
    source = write_lines(folder / "rows.jsonl", records)
    import_json(source, folder / "s", tokenizer=TEACHER, teacher="big", top_k=K)
    return folder / "s"


def same(one: Sample, other: Sample) -> None:
    assert one.token_id.tolist() == other.token_id.tolist()
    ours, theirs = one.distributions, other.distributions
    assert ours.indptr.tolist() == theirs.indptr.tolist()
    assert ours.ids.tolist() == theirs.ids.tolist()
    np.testing.assert_array_equal(ours.logprobs, theirs.logprobs)
    np.testing.assert_allclose(np.exp(ours.tail), np.exp(theirs.tail), atol=2e-3)


def test_distillkit_is_lossless(store: Path, tmp_path: Path) -> None:
    told = export_store(store, tmp_path / "dk", "distillkit")
    whole = Store.open(store)
    assert (told["samples"], told["positions"]) == (12, whole.positions)
    config = yaml.safe_load((tmp_path / "dk" / "compression_config.yaml").read_text())
    assert (config["d"], config["k"], config["exact_k"]) == (600, K, K)
    import_distillkit(tmp_path / "dk", tmp_path / "s", tokenizer=TEACHER, teacher="big", top_k=K)
    back = list(Store.open(tmp_path / "s"))
    assert len(back) == 12
    for one, other in zip(whole, back, strict=True):
        same(one, other)


def test_axolotl(store: Path, tmp_path: Path) -> None:
    export_store(store, tmp_path / "rows.jsonl", "axolotl")
    records = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    for record, sample in zip(records, Store.open(store), strict=True):
        assert record["input_ids"][1:] == sample.token_id.tolist() == record["labels"][1:]
        assert record["labels"][0] == -100
        used = [
            row[np.isfinite(v)].tolist()
            for row, v in zip(topk_id(sample), topk_logprob(sample), strict=True)
        ]
        assert record["target_token_ids"] == used
    full = [record for record in records if all(len(row) == K for row in record["logprobs"])]
    source = write_lines(tmp_path / "full.jsonl", full)
    import_json(source, tmp_path / "s", tokenizer=TEACHER, teacher="big", top_k=K)
    wanted = [s for s in Store.open(store) if np.isfinite(topk_logprob(s)).all()]
    for one, other in zip(wanted, Store.open(tmp_path / "s"), strict=True):
        same(one, other)


def test_a_dataset_of_the_hub(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "_FILE_POSITIONS", 40)
    monkeypatch.setattr(export_module, "_ROWS", 4)
    out = tmp_path / "set"
    command = ["export", str(store), str(out), "--format", "dataset", "--json"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    names = sorted(p.name for p in (out / "data").iterdir())
    assert names == [f"train-{n:05d}.parquet" for n in range(3)]
    loaded = datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    for row, sample in zip(loaded, Store.open(store), strict=True):
        assert row["text"] == sample.response.text
        assert row["token_id"] == sample.token_id.tolist()
        assert row["tail_logprob"] == sample.distributions.tail.astype(np.float32).tolist()
    import_columns(
        out, tmp_path / "s", layout=PRESETS["specialize"], tokenizer=TEACHER, teacher="big", top_k=K
    )
    for one, other in zip(Store.open(store), Store.open(tmp_path / "s"), strict=True):
        same(one, other)
        assert one.response.prompt == other.response.prompt
    card = (out / "README.md").read_text()
    assert "# Sparse next-token distributions of big" in card
    assert "1 - sum of the entries" in card


@pytest.mark.parametrize("form", ["distillkit", "axolotl", "dataset"])
def test_nothing_is_overwritten(store: Path, tmp_path: Path, form: export_module.Form) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigurationError, match="is there already"):
        export_store(store, tmp_path / "out", form)
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]
