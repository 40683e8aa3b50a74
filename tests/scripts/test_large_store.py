"""The bench of large stores, on small ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.bench import large_store as script
from specialize.store import Store
from specialize.store import verify as verify_store


def test_a_store_of_repeated_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound, of new keys throughout, and written once."""
    monkeypatch.setattr(script, "KINDS", 2)
    monkeypatch.setattr(script, "PER_SHARD", 60)
    assert script.write_store(tmp_path / "s", 4, 1)["positions"] > 4 * script.PER_SHARD
    assert script.write_store(tmp_path / "s", 4, 1) == {}
    store = Store.open(tmp_path / "s")
    assert len({*store.keys}) == len(store) == 4 * script.PER_SHARD
    assert verify_store(tmp_path / "s").ok
    assert script.measure_open(tmp_path / "s")["positions"] == store.positions
    assert script.measure_verify(tmp_path / "s")["ok"]
    script.write_examples(tmp_path / "e.jsonl", len(store))
    found = script.measure_rows(tmp_path / "s", tmp_path / "e.jsonl", tmp_path / "rows")
    assert 0.9 < found["rows"] / (len(store) + len(store) // script.SAMPLES) <= 1


@pytest.mark.slow
def test_all_of_it(tmp_path: Path) -> None:
    command = [
        sys.executable, script.__file__, "--cache", str(tmp_path), "--positions", "500000",
        "--responses", "960", "--steps", "12", "--turns", "2", "--json", str(tmp_path / "found"),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    found = json.loads((tmp_path / "found").read_text())
    assert found["verify"]["ok"]
    assert found["training small 2"]["steps"] == found["training large 2"]["steps"] == 12
    assert found["rows 960 continued"]["rows"] == found["rows 960 first"]["rows"]
