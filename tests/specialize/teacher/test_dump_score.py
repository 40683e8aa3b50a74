"""Mode ``score``: every token and the end have their row; what is told of given texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from align import from_padded
from specialize.config.recipe import Teacher as TeacherSettings
from specialize.store import Store, shard_file
from specialize.teacher.dump import dump
from specialize.teacher.likelihood import advised_top_k, masses, measure, nats_per_token
from specialize.teacher.local.teacher import load_teacher
from specialize.teacher.planning import plan
from specialize.teacher.protocol import Sampling, ScoredText
from tests.support import teacher_toys as toys
from tests.support.store_samples import topk_id, topk_logprob

SCORE = TeacherSettings(mode="score", max_new_tokens=30)


@pytest.mark.parametrize("make", [toys.gpt2, toys.llama, toys.t5])
def test_the_end_has_its_row(make: Callable[[], Path], tmp_path: Path) -> None:
    teacher = load_teacher(str(make()), device="cpu")
    dump(teacher, toys.examples(5), tmp_path / "s", SCORE)
    for sample in Store.open(tmp_path / "s"):
        assert sample.token_id[-1] == teacher.tokenizer.eos
        assert -30 < sample.token_logprob[-1] < -1  # a random model is not sure of its end
        spelled = b"".join(teacher.tokenizer.pieces(sample.token_id.tolist())).decode()
        assert spelled.split() == sample.response.text.split() or make is toys.t5


def test_the_likeliest_of_several_ends_is_taken(tmp_path: Path) -> None:
    teacher = load_teacher(str(toys.with_turns(tmp_path, special=True)), device="cpu")
    asked = Sampling(1, top_k=teacher.description.vocabulary_size)
    texts = [f"So {i} {chr(97 + i % 26)}" for i in range(30)]
    scored = teacher.score([f"Q: {i}?\n" for i in range(30)], texts, asked)
    for one in scored:
        row = dict(zip(topk_id(one)[-1].tolist(), topk_logprob(one)[-1].tolist(), strict=True))
        ends = {end: row[end] for end in teacher.tokenizer.ends}
        assert one.token_id[-1] == max(ends, key=ends.__getitem__)
        assert one.token_logprob[-1] == pytest.approx(max(ends.values()), abs=1e-5)
    assert len({int(one.token_id[-1]) for one in scored}) > 1


def test_likelihood_in_place_of_accuracy(tmp_path: Path) -> None:
    teacher = load_teacher(str(toys.gpt2()), device="cpu")
    summary = dump(teacher, toys.examples(6), tmp_path / "s", SCORE, shard_samples=2)
    told = summary.as_json()
    assert not {"correct", "first_sample_accuracy", "majority_vote_accuracy", "pass@1"} & set(told)
    store = Store.open(tmp_path / "s")
    own = np.concatenate([sample.token_logprob.astype(float) for sample in store])
    assert told["nats_per_token"] == pytest.approx(-own.mean(), abs=1e-3)
    assert 0 < told["mass@1"] < told["mass@5"] < told["mass@20"] < told["mass@64"] < 1
    assert told["advised_top_k"] == 64
    assert store.summary == told
    again = dump(teacher, toys.examples(6), tmp_path / "s", SCORE, shard_samples=2)
    assert again.as_json() == told


def test_a_plan_advises_how_many_entries_to_store(tmp_path: Path) -> None:
    teacher = load_teacher(str(toys.gpt2()), device="cpu")
    for mode in ("score", "sample"):
        settings = TeacherSettings(mode=mode, max_new_tokens=20)
        planned = plan(teacher, toys.examples(6), tmp_path / "s", settings, shard_samples=4)
        told = planned.as_json()
        assert told["advised_top_k"] == 64
        assert told["advised_bytes_per_position"] == 6 + 4 * 64
        assert told["mass@5"] < told["mass@64"]
        assert told["nats_per_token"] > 1


def scored(masses_: list[list[float]], own: list[float]) -> ScoredText:
    rows, k = len(masses_), len(masses_[0])
    logprobs = np.log(np.array(masses_, np.float32))
    return ScoredText(
        "x", np.zeros(rows, np.int32), np.log(np.array(own, np.float32)),
        from_padded(np.tile(np.arange(k), (rows, 1)), logprobs, np.zeros(rows)), "given",
    )  # fmt: skip


def test_sums_by_hand() -> None:
    one = scored([[0.6, 0.2, 0.1, 0.05, 0.045], [0.5, 0.3, 0.1, 0.05, 0.04]], [0.5, 0.25])
    sums = measure([one, one], 5)
    assert nats_per_token(sums) == pytest.approx(np.log([2, 4]).mean(), abs=1e-6)
    assert masses(sums) == pytest.approx({"mass@1": 0.55, "mass@5": 0.9925}, abs=1e-6)
    assert advised_top_k(sums) == 5
    assert advised_top_k(measure([one], 4)) == 1  # nothing else was measured
    assert nats_per_token(measure([], 5)) == 0


def test_nothing_that_was_written_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statistics and ids in use are counted as shards are written, and read of a resumed dump."""
    teacher = load_teacher(str(toys.gpt2()), device="cpu")
    opened: list[int] = []
    kept = shard_file.ShardFile.__init__

    def note(self: shard_file.ShardFile, root: Path, record: object, *more: object) -> None:
        opened.append(record.shard)
        kept(self, root, record, *more)

    monkeypatch.setattr(shard_file.ShardFile, "__init__", note)
    settings = TeacherSettings(samples=2, max_new_tokens=20)
    whole = dump(teacher, toys.examples(6), tmp_path / "s", settings, shard_samples=4)
    assert opened == []
    (tmp_path / "s" / "summary.json").unlink()
    manifest = (tmp_path / "s" / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "s" / "manifest.jsonl").write_bytes(manifest[0])
    again = dump(teacher, toys.examples(6), tmp_path / "s", settings, shard_samples=4)
    assert set(opened) == {0}
    assert again.as_json() == whole.as_json()
    assert (again.resumed, whole.resumed) == (4, 0)
