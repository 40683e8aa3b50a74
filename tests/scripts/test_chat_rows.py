"""The proof of ``scripts/experiments/chat_rows.py`` on a tiny chat model, and that it can fail."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from click.testing import CliRunner

from scripts.experiments import chat_rows as script
from specialize.store import Store
from tests.support import teacher_toys as toys


def test_rows_and_greedy_answers_are_the_librarys(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        script.main,
        [str(tmp_path), "--model", str(toys.chat()), "--texts", "3"],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    found = json.loads((tmp_path / "rows.json").read_text())
    assert found["greedy"] == {"texts": 3, "prompts": 3, "same": 3, "finished": 0}
    for mode in ("score", "sample"):
        rows = found[mode]
        assert rows["texts"] == rows["ids"] == 3
        assert rows["lost"] == 0
        assert rows["rows"] > 100
        assert rows["mass_max"] < 3e-4  # half of what float16 leaves of a probability near 1
        assert rows["rounded"] > 0.97
        assert rows["own_nats_max"] < 5e-3
        assert rows["top_k"] > 0.99
        assert rows["swapped_max"] < 1e-5

    library = script.read_library(toys.chat())
    with torch.no_grad():
        library.model.transformer.ln_f.weight *= 1.02
    wrong = script.compare(Store.open(tmp_path / "score"), library).as_json()
    assert wrong["ids"] == 3
    assert wrong["mass_max"] > 1e-3
    library.tokenizer.chat_template = toys.CHAT.replace("turn>assistant", "turn>model")
    assert script.compare(Store.open(tmp_path / "score"), library).as_json()["ids"] == 0
