"""A long trace of thinking goes from dump to step, in each form, on a shorter one here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.bench import long_trace as script

TOKENS = 1500


@pytest.mark.slow
@pytest.mark.parametrize("thinking", ["drop", "keep", "train"])
def test_a_trace_goes_from_dump_to_step(tmp_path: Path, thinking: str) -> None:
    options = script.parsed(["--tokens", str(TOKENS), "--thinking", thinking])
    script.set_up(tmp_path, options)
    found = {name: stage(tmp_path, options) for name, stage in script.STAGES.items()}
    assert found["dump"]["of thinking"] >= TOKENS
    assert found["align"]["of thinking"] < found["align"]["positions"]
    rows = found["rows"]
    assert rows["rows"] == 1 + script.SHORT
    with_thought = rows["longest row"] > found["align"]["of thinking"]
    assert with_thought == (thinking != "drop")
    assert ("learned_tokens" in rows) == (thinking == "keep")
    assert (tmp_path / "run" / "learned_tokens.json").exists() == (thinking == "keep")
    [line] = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["objectives"]["trace"]["tokens"] == rows.get(
        "learned_tokens", rows["target_tokens"]
    )


@pytest.mark.slow
def test_the_memory_of_a_long_text_is_bounded(tmp_path: Path) -> None:
    """All logits of the text would be 6.1 GiB, at once in the dump and twice in the step."""
    options = script.parsed(["--vocabulary", "50257", "--json"])
    stages = {str(line["stage"]): line for line in script.measure(tmp_path, options)}
    assert stages["dump"]["positions"] > 32_768
    assert stages["dump"]["peak_mib"] * 2**20 < 1.5e9
    assert stages["train"]["above_mib"] < 1000
    assert stages["align"]["above_mib"] < 400
    assert stages["rows"]["above_mib"] < 200
