"""Elements of any number of bits, against plain arithmetic on one long number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.errors import InputError
from specialize.imports.distillkit_codec import Codec, read_codec


@given(st.integers(2, 57), st.lists(st.integers(0, 2**57 - 1), min_size=1, max_size=9))
def test_ids_of_any_width(bits: int, values: list[int]) -> None:
    ids = [value % (1 << bits) for value in values]
    whole = 0
    for number in ids:
        whole = whole << bits | number
    size = (bits * len(ids) + 7) // 8
    whole <<= 8 * size - bits * len(ids)
    packed = np.frombuffer(whole.to_bytes(size, "big"), np.uint8)
    codec = Codec(
        1 << bits, len(ids), len(ids), "float32", "float32", (), (), delta=False, normalized=False
    )
    assert codec.ids(np.stack([packed, packed[::-1]]))[0].tolist() == ids


@pytest.mark.parametrize("config", ["{d: 9, k: 10, exact_k: 10}", "{d: 9, k: 2, exact_k: 1, residual_bins: [{scale_dtype: float32, element_bits: 58, num_elements: 1}]}"])  # fmt: skip  # noqa: E501
def test_configurations_that_cannot_be(config: str) -> None:
    with pytest.raises(InputError, match="elements have 1 to 57 bits, and d is at least k"):
        read_codec(config)
