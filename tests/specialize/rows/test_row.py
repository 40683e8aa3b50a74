"""What tells rows apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from align.sparse import SparseDistributions
from specialize.rows.row import Row, RowSet

ROWS = SparseDistributions(
    np.array([0, 2, 3]),
    np.array([7, 3, 9], np.int32),
    np.log(np.array([0.5, 0.25, 1.0], np.float32)),
    np.log(np.array([0.25, 1e-9], np.float32)),
)
ROW = Row(("a", 0), 0, np.array([1, 2], np.int32), np.array([7, 9], np.int32), ROWS)


def digest(row: Row) -> str:
    return RowSet(("one", "two"), ("f", "f"), (row,), {}).digest


@pytest.mark.parametrize(
    "other",
    [
        replace(ROW, key=("a", 1)),
        replace(ROW, key=("b", 0)),
        replace(ROW, objective=1),
        replace(ROW, prompt_ids=np.array([1, 3], np.int32)),
        replace(ROW, target_ids=np.array([7, 8], np.int32)),
        replace(ROW, distributions=replace(ROWS, ids=np.array([7, 4, 9], np.int32))),
        replace(ROW, distributions=replace(ROWS, logprobs=ROWS.logprobs - 0.5)),
        replace(ROW, distributions=replace(ROWS, tail=ROWS.tail - 0.5)),
        replace(ROW, distributions=replace(ROWS, indptr=np.array([0, 1, 3]))),
    ],
    ids=["sample", "example", "objective", "prompt", "target", "entry", "mass", "tail", "row"],
)
def test_other_rows_have_another_digest(other: Row) -> None:
    assert digest(other) != digest(ROW)
    assert digest(replace(other)) == digest(other)
