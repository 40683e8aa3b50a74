"""What a run says of the target tokens that it did not learn."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.artifacts.learned_tokens import FILE, record_learned, told_learned
from specialize.errors import StoreError


def test_objectives_are_told_where_not_all_is_learned(tmp_path: Path) -> None:
    whole = {"rows": 2, "target_tokens": 30}
    assert told_learned(tmp_path) == []
    record_learned(tmp_path, {"answer": whole})
    assert not (tmp_path / FILE).exists()
    read = {**whole, "learned_tokens": 20}
    sieved = {**read, "rows_filtered": 10, "no_row_passes": 0}
    record_learned(tmp_path, {"answer": whole, "cot": read, "some": sieved})
    assert told_learned(tmp_path) == [
        "Objective cot: 20 of 30 target tokens carried the loss.",
        "Objective some: 20 of 30 target tokens carried the loss (row_filter took out 10).",
    ]


@pytest.mark.parametrize("content", ["[]", "{", '{"cot": {}}', '{"cot": 3}'])
def test_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(StoreError, match=r"learned_tokens\.json is damaged"):
        told_learned(tmp_path)
