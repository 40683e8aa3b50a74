"""X17: rows that are replaced by the text's own tokens, and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from align.sparse import SparseDistributions
from specialize.experiments.x17_causes import CAUSES, harden
from specialize.store import Store, StoreWriter, verify
from tests.support import store_samples

PIECES = {token: (b" 12", b"=3", b" pens", b"\n")[token % 4] for token in range(store_samples.V)}


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Six texts of one to four tokens, in two shards; every text has its end."""
    with StoreWriter(
        tmp_path / "given", store_samples.description(), shard_samples=store_samples.PER_SHARD
    ) as writer:
        for shard in range(2):
            writer.write(shard, store_samples.shard(shard), counts={"seen": 3})
        writer.finish(PIECES, {"accuracy": 0.5})
    return tmp_path / "given"


@pytest.mark.parametrize("which", ["numbers", "words", "ends"])
def test_rows_of_one_kind_become_labels(given: Path, tmp_path: Path, which: str) -> None:
    out = tmp_path / "hard"
    for _ in range(2):  # the second one finds everything
        harden(given, out, which)
    assert verify(out).problems == ()
    before, after = Store.open(given), Store.open(out)
    assert (after.keys, after.summary, after.counts) == (before.keys, before.summary, before.counts)
    replaced = 0
    for old, new in zip(before, after, strict=True):
        assert new.response == old.response
        for place in range(len(old)):
            last = place == len(old) - 1
            number = old.token_id[place] % 4 < 2
            wanted = {"numbers": number, "words": not number and not last, "ends": last}
            hard = wanted[which]
            replaced += hard
            own = ([int(old.token_id[place])], [0.0], -np.inf)
            assert row(new.distributions, place) == (own if hard else row(old.distributions, place))
            assert new.token_logprob[place] == (0 if hard else old.token_logprob[place])
    assert replaced


def row(rows: SparseDistributions, place: int) -> tuple[list[int], list[float], float]:
    one = rows[place : place + 1]
    values: NDArray[np.floating] = one.logprobs
    return one.ids.tolist(), values.tolist(), float(one.tail[0])


def test_arms_learn_what_their_names_say(tmp_path: Path) -> None:
    recipe = {arm.name: CAUSES.recipe(tmp_path, arm, 0) for arm in CAUSES.arms}
    assert recipe["rows T2 hard ends"].objectives[0].teacher == "T2-ends"
    assert recipe["text T1"].objectives[0].teacher == "T1"
    assert recipe["text T1"].objectives[0].target == "rationale"
    assert recipe["rows label 0.75"].training.hard_label_weight == 0.75
    assert [each.target for each in recipe["text answers too"].objectives] == [
        "rationale", "answer"
    ]  # fmt: skip
    assert [each.target for each in recipe["rows answers too"].objectives] == [
        "distribution", "answer"
    ]  # fmt: skip
    many = recipe["rows 40 of 25"]
    assert (many.train_on.limit, many.training.samples_per_question) == (25, 40)
    assert many.teachers["tiny"].samples == 40
    assert recipe["rows constant"].optimization.schedule == "constant"
    assert {each.training.samples_per_question for each in recipe.values()} == {1, 2, 4, 40}
