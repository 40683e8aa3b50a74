"""A store's own rows forecast what align then counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.errors import ConfigurationError
from specialize.pairs.evidence import Given, read, score
from specialize.pairs.stage import judge
from specialize.quickstart.run import MODELS
from specialize.store import Sample, Store, StoreDescription, StoreWriter
from specialize.targets.stage import write_targets
from specialize.teacher.local.teacher import load_teacher
from specialize.tokens import load_tokenizer

TEXTS = [Given(f"She has {i} + 3 = {i + 3} apples.\nThe answer is {i + 3}") for i in range(12)]


def test_a_store_forecasts_what_align_counts(tmp_path: Path) -> None:
    teacher = load_teacher(str(MODELS / "teacher"), device="cpu")
    found = score(teacher, TEXTS, lambda: 0.0)
    rows, start, samples = found.rows_at(5), 0, []
    for response, ids in zip(
        found.texts.responses, map(found.texts.tokens.sample, range(12)), strict=True
    ):
        own = rows[start : start + len(ids)]
        samples.append(Sample(response, ids, own.tail * 0, own))
        start += len(ids)
    about = teacher.description
    description = StoreDescription(
        kind="responses", teacher=about.name, tokenizer=about.tokenizer,
        fingerprint=about.fingerprint, vocabulary_size=about.vocabulary_size, k=5,
    )  # fmt: skip
    with StoreWriter(tmp_path / "responses", description, shard_samples=12) as writer:
        writer.write(0, samples, counts={})
        writer.finish(teacher.tokenizer.vocabulary(), {})
    student = str(MODELS / "student")
    counted = write_targets(tmp_path / "responses", tmp_path / "targets", student=student)
    evidence = read(Store.open(tmp_path / "responses"))
    judged = judge(evidence, load_tokenizer(student), responses=12)
    sizes = judged["k"]
    assert isinstance(sizes, dict)
    size = sizes["5"]
    assert isinstance(size, dict)
    assert size["soft_share"] == pytest.approx(counted["soft_share"], abs=1e-9)
    assert size["kept"] == pytest.approx(counted["mean_kept"], abs=1e-5)
    assert size["stored"] == pytest.approx(counted["mean_stored"], abs=1e-3)
    with pytest.raises(ConfigurationError, match="targets; name a store of a teacher's responses"):
        read(Store.open(tmp_path / "targets"))
