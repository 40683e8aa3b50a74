"""Rows as a store keeps them, against the same written out row by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align.sparse import SparseDistributions
from specialize.store import arrays as stored_arrays
from specialize.store import passes, sound_rows, stored_rows
from specialize.store.arrays import row_problems
from specialize.store.half import are_logprobs, exp_half
from specialize.store.ragged import first_entries, packed, padded
from tests.support.store_samples import description

LEVELS = [0.0, 1e-9, 0.01, 0.1, 0.25, 0.5, 1.0]


@st.composite
def rows(draw: st.DrawFn) -> SparseDistributions:
    """Rows of mass 1 with ties, entries without mass, entries in any order, no entries, no tail."""
    parts = draw(
        st.lists(
            st.tuples(st.lists(st.sampled_from(LEVELS), max_size=7), st.sampled_from(LEVELS)),
            max_size=5,
        )
    )
    made: list[tuple[list[float], float]] = []
    for entries, tail in parts:
        total = sum(entries) + tail
        made.append(([p / total for p in entries], tail / total) if total else ([1.0], 0.0))
    sizes = [len(entries) for entries, _ in made]
    seed = draw(st.integers(0, 999))
    ids = [np.random.default_rng(seed + i).permutation(20)[:n] for i, n in enumerate(sizes)]
    with np.errstate(divide="ignore"):
        return SparseDistributions(
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.concatenate([np.zeros(0, np.int32), *ids]).astype(np.int32),
            np.log(np.array([p for entries, _ in made for p in entries], np.float32)),
            np.log(np.array([tail for _, tail in made], np.float32)),
        )


def slowly(row: SparseDistributions, k: int) -> tuple[list[int], list[float], float]:
    """One row: its k most probable entries, in half precision, the largest part last."""
    ids, logprobs, tail = row.padded(k)
    used = ~np.isneginf(logprobs[0])
    values = [*logprobs[0][used], tail[0]]
    parts = np.array(values).astype(np.float16)
    mass = np.exp(parts.astype(np.float64))
    largest = int(mass.argmax())
    others = mass.sum() - mass[largest]
    parts[largest] = np.log(max(1 - others, mass[largest] / 2)).astype(np.float16)
    if used.sum() > 1:
        parts[0] = max(parts[0], parts[1])
    return ids[0][used].tolist(), parts[:-1].tolist(), float(parts[-1])


@settings(max_examples=200)
@given(rows(), st.integers(0, 6))
def test_rows_are_those_made_one_by_one(given_: SparseDistributions, k: int) -> None:
    found = stored_rows(given_, k)
    for i in range(len(given_)):
        row = found[i : i + 1]
        assert (row.ids.tolist(), row.logprobs.tolist(), float(row.tail[0])) == slowly(
            given_[i : i + 1], k
        )
    np.testing.assert_allclose(found.mass(), 1, atol=2e-3)


def test_what_the_bits_say() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_array_equal(exp_half(every), np.exp(every.astype(np.float64)))
    for value in every:
        assert are_logprobs(value[None]) == bool(value <= 0)


def test_rules_agree_in_half_precision() -> None:
    """Shards that one look at the bits finds sound, against a look at each of their positions."""
    rng = np.random.default_rng(1)
    found = {True: 0, False: 0}
    for _ in range(400):
        ids = rng.integers(0, 4, (3, 2)).astype(np.uint16)
        with np.errstate(divide="ignore"):
            logs = np.log(rng.choice([0, 0.25, 0.5, 1], (3, 2), p=[0.4, 0.2, 0.2, 0.2]))
            tail = np.log(rng.choice([0, 0.25, 0.5, 1], 3))
        if rng.random() < 0.7:  # mostly sound ones
            logs = -np.sort(-logs, axis=1)
            ids = np.where(np.isneginf(logs), 0, np.array([3, 1])).astype(np.uint16)
            with np.errstate(divide="ignore"):
                tail = np.log(np.maximum(1 - np.exp(logs).sum(axis=1), 0))
        halves = {"topk_logprob": logs, "tail_logprob": tail, "token_logprob": -rng.random(3)}
        if rng.random() < 0.1:
            halves["token_logprob"][rng.integers(3)] = rng.choice([np.nan, 0.5, np.inf])
        arrays = {name: value.astype(np.float16) for name, value in halves.items()}
        singles = {name: value.astype(np.float32) for name, value in arrays.items()}
        shared = {"topk_id": ids, "token_id": rng.integers(0, 4, 3).astype(np.uint16)}
        about = description(vocabulary_size=4 - int(rng.random() < 0.1))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sound_rows, "FEW", 0)
            patch.setattr(passes, "_loaded", True)
            problems = row_problems({**arrays, **shared}, about)
        assert problems == row_problems({**singles, **shared}, about)
        found[not problems] += 1
    assert min(found.values()) > 40


FAULTS = (
    "none", "certain", "rising", "repeated", "outside", "unused id", "heavy", "light", "nan",
    "above", "tail", "token", "gap",
)  # fmt: skip


@given(
    faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=6),
    k=st.integers(2, 5),
    complement=st.booleans(),
    seed=st.integers(0, 999),
)
def test_the_quick_look_at_rows_is_right(
    faults: list[str], k: int, complement: bool, seed: int
) -> None:
    """What it finds sound is sound by every rule; of sound rows it knows without a closer look."""
    rng = np.random.default_rng(seed)
    shares = np.sort(rng.dirichlet(np.ones(k + 1), len(faults)))[:, ::-1]
    used = rng.integers(1, k + 1, len(faults))
    with np.errstate(divide="ignore"):
        logs = np.where(np.arange(k) < used[:, None], np.log(shares[:, :k]), -np.inf)
        tail = np.log(1 - np.exp(logs).sum(1))
    ids = np.where(np.isneginf(logs), 0, np.array([rng.permutation(6)[:k] for _ in faults]))
    for row, fault in enumerate(faults):
        last = used[row] - 1
        if fault == "rising" and last:
            logs[row, [0, last]] = logs[row, [last, 0]]
        elif fault == "repeated" and last:
            ids[row, last] = ids[row, 0]
        elif fault == "outside":
            ids[row, last] = 6
        elif fault == "unused id" and last < k - 1:
            ids[row, k - 1] = 3
        elif fault in ("heavy", "light"):
            logs[row, 0] += 0.2 if fault == "heavy" else -0.2
        elif fault in ("nan", "above"):
            logs[row, last] = np.nan if fault == "nan" else 0.25
        elif fault == "certain":
            logs[row], tail[row], ids[row, 1:] = np.where(np.arange(k), -np.inf, 0.0), -np.inf, 0
        elif fault == "gap" and last:
            logs[row, 0], ids[row, 0] = -np.inf, 0
            tail[row] = np.log(1 - np.exp(logs[row]).sum())
        elif fault == "tail":
            tail[row] = np.nan
    tokens = np.where(np.array(faults) == "token", 6, 5 - ids[:, 0])
    arrays = {
        "topk_logprob": logs.astype(np.float16), "topk_id": ids.astype(np.uint16),
        "tail_logprob": tail.astype(np.float16), "token_id": tokens.astype(np.uint16),
        "token_logprob": np.full(len(faults), -1, np.float16),
    }  # fmt: skip
    settings = {"tail": "complement"} if complement else {}
    about = description(vocabulary_size=6, settings=settings)
    ragged = packed(arrays)
    slots = padded(ragged, first_entries(ragged["entries"]), k, slice(0, len(faults)))
    for stored, seen in ((arrays, arrays), (ragged, arrays | slots)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sound_rows, "FEW", 0)
            found = sound_rows.ids_of_sound_rows(stored, about)
            patch.setattr(passes, "ids_of_sound_rows", lambda *_: None)
            assert (found is not None) == (not stored_arrays.row_problems(seen, about))
        if found is not None:
            entries = seen["topk_id"][seen["topk_logprob"] > -np.inf]
            assert np.flatnonzero(found).tolist() == sorted({*entries, *seen["token_id"]})


def test_the_quick_look_is_taken_where_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = {
        "topk_logprob": np.zeros((3000, 1), np.float16), "topk_id": np.ones((3000, 1), np.uint16),
        "tail_logprob": np.full(3000, -np.inf, np.float16), "token_id": np.ones(3000, np.uint16),
        "token_logprob": np.zeros(3000, np.float16),
    }  # fmt: skip
    about = description(k=1, vocabulary_size=3)
    monkeypatch.setattr(passes, "_loaded", False)
    assert passes.ids_of_sound_rows(sound, about) is None
    assert row_problems(sound, about) == []
    passes.load()
    found = passes.ids_of_sound_rows(sound, about)
    assert found is not None
    assert np.flatnonzero(found).tolist() == [1]
    assert row_problems(sound, about) == []
