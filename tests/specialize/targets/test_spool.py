"""What is kept between the two passes comes back."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from align import Ragged
from align.prefix.shard_arrays import Offsets
from specialize.errors import DiskFullError
from specialize.targets.projecting import Prepared
from specialize.targets.spool import Spool


def prepared(seed: int) -> Prepared:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 4, 3 * (seed % 3))
    token_ptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = rng.integers(0, 99, int(token_ptr[-1])).astype(np.int32)
    of_source, of_target = (
        rng.integers(-1, 9, (count, 2)).astype(np.int32) for count in (seed, len(tokens))
    )
    return Prepared(Ragged(token_ptr, tokens), offsets=Offsets(of_source, of_target))


def test_every_shard_comes_back(tmp_path: Path) -> None:
    """Written, read in any order, and written on."""
    given = [prepared(seed) for seed in range(9)]
    with Spool(tmp_path) as spool:
        for number, one in enumerate(given[:6]):
            spool.append(number, one)
        assert [number in spool for number in (5, 6)] == [True, False]
        for index in (5, 0, 3, 0):
            same(spool.read(index), given[index])
        for number, one in enumerate(given[6:], 6):
            spool.append(number, one)
        for index in range(9):
            same(spool.read(index), given[index])
    assert list(tmp_path.iterdir()) == []


def same(found: Prepared, given: Prepared) -> None:
    assert found.offsets is not None
    assert given.offsets is not None
    for one, other in [
        (found.tokens.indptr, given.tokens.indptr),
        (found.tokens.ids, given.tokens.ids),
        (found.offsets.source, given.offsets.source),
        (found.offsets.target, given.offsets.target),
    ]:
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tolist() == other.tolist()
        one[...] = 0  # kernels are compiled for arrays that may be written


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def seek(self, place: int) -> None: ...

        def write(self, content: memoryview) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None: ...

    with Spool(tmp_path) as spool, monkeypatch.context() as patch:
        patch.setattr(spool, "_file", Full())
        with pytest.raises(DiskFullError, match=r"no room for .*aligned texts"):
            spool.append(0, prepared(2))


def test_only_what_has_offsets_is_kept(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool, pytest.raises(ValueError, match="without offsets"):
        spool.append(0, Prepared(prepared(1).tokens))
