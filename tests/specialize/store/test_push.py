"""A store that was pushed to the hub's stand-in is what ``datasets`` reads there."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
from click.testing import CliRunner
from huggingface_hub import constants

from specialize.cli.stages import cli
from specialize.errors import ConfigurationError
from specialize.store import Store
from specialize.store.push import push_store
from tests.support.hub_server import hub
from tests.support.store_samples import write_store


def test_a_pushed_store_is_read_by_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_store(tmp_path / "s")
    monkeypatch.setattr("specialize.store.export._FILE_POSITIONS", 8)
    command = ["export", str(tmp_path / "s"), "--push-to-hub", "me/rows", "--json"]
    with hub(monkeypatch) as there:
        done = CliRunner().invoke(cli, command)
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        assert (told["samples"], told["file"]) == (9, "me/rows")
        assert there.revision("me/rows") in told["commit"]
        names = ["README.md", "data/train-00000.parquet", "data/train-00001.parquet"]
        assert sorted(there.files["me/rows"]) == names
        assert b"Sparse next-token distributions of toy" in there.files["me/rows"]["README.md"]
        commits = there.commits["me/rows"]
        push_store(tmp_path / "s", "me/rows")
        assert there.commits["me/rows"] == commits  # the same bytes are not sent again
        loaded = datasets.load_dataset("me/rows", split="train", cache_dir=str(tmp_path / "cache"))
        there.refuse = 403
        with pytest.raises(ConfigurationError, match=r"s cannot go to me/rows: .*403"):
            push_store(tmp_path / "s", "me/rows")
    for row, sample in zip(loaded, Store.open(tmp_path / "s"), strict=True):
        rows = sample.distributions
        assert (row["example_id"], row["sample"], row["text"]) == (
            *sample.response.key, sample.response.text,
        )  # fmt: skip
        assert row["token_id"] == sample.token_id.tolist()
        assert np.concatenate([[], *row["topk_id"]]).tolist() == rows.ids.tolist()
        assert np.concatenate([[], *row["topk_logprob"]]).tolist() == rows.logprobs.tolist()
        assert row["tail_logprob"] == rows.tail.tolist()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".tmp")] == []


def test_no_connection_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_store(tmp_path / "s")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(ConfigurationError, match=r"s cannot go to me/rows: .*[Cc]onnect"):
        push_store(tmp_path / "s", "me/rows")
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_what_there_is_to_write(tmp_path: Path) -> None:
    write_store(tmp_path / "s")
    for words, message in (
        ([], "name OUT, --push-to-hub or both"),
        ([str(tmp_path / "x.jsonl"), "--push-to-hub", "me/rows"], "goes as --format dataset"),
    ):
        done = CliRunner().invoke(cli, ["export", str(tmp_path / "s"), *words])
        assert done.exit_code == 2
        assert message in done.output
