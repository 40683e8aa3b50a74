"""Which entries of a row are kept: top k, as many as reach a mass, or drawn; tails are exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from specialize.config.recipe import Teacher as TeacherSettings
from specialize.config.yaml_files import build_teacher
from specialize.errors import ConfigurationError
from specialize.formats import by_name
from specialize.store import Store, verify
from specialize.teacher.dump import dump
from specialize.teacher.local.sparse_rows import (
    SparseRows,
    draw_sparse_rows,
    entry_numbers,
    take_sparse_rows,
)
from specialize.teacher.local.teacher import LocalTeacher, load_teacher
from specialize.teacher.protocol import Sampling
from tests.support import teacher_toys as toys
from tests.support.store_samples import topk_id, topk_logprob

FORM = by_name("zero-shot-cot")
logits_rows = arrays(np.float32, (3, 11), elements=st.floats(-40, 40, width=32), fill=st.nothing())


def exact(values: np.ndarray, temperature: float = 1.0) -> torch.Tensor:
    return (torch.tensor(values).double() / temperature).log_softmax(-1)


def rest_of(rows: SparseRows, log_p: torch.Tensor) -> torch.Tensor:
    """The log-mass of all ids that are not among the entries in use."""
    ids = torch.where(rows.logprobs.isneginf(), rows.ids[:, :1], rows.ids)
    return log_p.scatter(-1, ids, -torch.inf).logsumexp(-1)


@settings(max_examples=150)
@given(logits_rows, st.integers(1, 11), st.floats(0.05, 1), st.sampled_from([(), (2.0,), (0.5, 4)]))
def test_a_mass_and_other_temperatures(
    values: np.ndarray, k: int, mass: float, temperatures: tuple[float, ...]
) -> None:
    tokens = torch.tensor([0, 5, 10])
    rows = take_sparse_rows(torch.tensor(values), tokens, k, mass=mass, temperatures=temperatures)
    log_p = exact(values)
    used = ~rows.logprobs.isneginf()
    np.testing.assert_allclose(rows.token_logprobs, log_p[range(3), tokens], atol=2e-5)
    np.testing.assert_allclose(rows.logprobs[used], log_p.gather(-1, rows.ids)[used], atol=2e-5)
    np.testing.assert_allclose(rows.tails, rest_of(rows, log_p), atol=2e-5)
    for m, temperature in enumerate(temperatures):
        tempered = rest_of(rows, exact(values, temperature))
        np.testing.assert_allclose(rows.tempered_tails[:, m], tempered, atol=2e-5)
    assert rows.tempered_tails.shape == (3, len(temperatures))
    assert (rows.ids[~used] == 0).all()
    before = (rows.logprobs.exp().cumsum(-1) - rows.logprobs.exp())[used]
    assert (before < mass + 1e-5).all(), "an entry after the mass"
    short = used.sum(-1) < k
    assert (rows.logprobs.exp().sum(-1)[short] >= mass - 1e-5).all(), "an entry is missing"


def test_drawn_rows_are_unbiased() -> None:
    """The mean of many drawn rows is the distribution itself; that of top k is not."""
    probabilities = np.array([0.4, 0.3, 0.15, 0.1, 0.04, 0.01])
    logits = torch.tensor(np.log(probabilities), dtype=torch.float32)[None].expand(20_000, -1)
    tokens = torch.zeros(20_000, dtype=torch.int64)
    numbers = torch.tensor(np.random.default_rng(0).random((20_000, 5)))
    rows = draw_sparse_rows(logits, tokens, numbers)
    mean = dense(rows).mean(0)
    spread = np.sqrt(probabilities * (1 - probabilities) / (5 * 20_000))
    assert (np.abs(mean - probabilities) < 5 * spread).all()
    assert (dense(rows).std(0) > 0).all()
    top = dense(take_sparse_rows(logits[:1].clone(), tokens[:1], 3))
    assert np.abs(top / top.sum() - probabilities).max() > 50 * spread.max()


def dense(rows: SparseRows) -> np.ndarray:
    """(N, 6) the stored probabilities."""
    found = torch.zeros(len(rows.ids), 6, dtype=torch.float64)
    return found.scatter_add_(-1, rows.ids, rows.logprobs.double().exp()).numpy()


@given(logits_rows, st.integers(1, 30), st.integers(0, 2**63))
def test_drawn_rows_are_rows(values: np.ndarray, draws: int, seed: int) -> None:
    tokens = torch.tensor([0, 5, 10])
    numbers = entry_numbers(seed, 3, Sampling(1, draws=draws))
    assert numbers is not None
    rows = draw_sparse_rows(torch.tensor(values), tokens, torch.tensor(numbers))
    used = ~rows.logprobs.isneginf()
    counts = rows.logprobs.double().exp() * draws
    np.testing.assert_allclose(counts, counts.round(), atol=1e-4)
    np.testing.assert_allclose(counts.sum(-1), draws, atol=1e-3)
    np.testing.assert_allclose(rows.token_logprobs, exact(values)[range(3), tokens], atol=2e-5)
    assert rows.tails.isneginf().all()
    assert (rows.logprobs.diff(dim=-1).nan_to_num(0) <= 0).all()
    for ids, inside in zip(rows.ids, used, strict=True):
        assert len(set(ids[inside].tolist())) == int(inside.sum())
        assert (ids[~inside] == 0).all()


@pytest.mark.parametrize("make", [toys.gpt2, toys.t5])
@pytest.mark.parametrize("mode", ["sample", "score"])
@pytest.mark.parametrize(
    "values",
    [{"num_samples": 12}, {"top_p_mass": 0.3, "top_logprobs": 80}, {"tail_temperatures": [2, 0.5]}],
    ids=["draws", "mass", "temperatures"],
)
def test_dumped(make: object, mode: str, values: dict[str, object], tmp_path: Path) -> None:
    teacher = load_teacher(str(make()), device="cpu")
    asked = TeacherSettings.model_validate({"mode": mode, "max_new_tokens": 20, **values})
    summary = dump(teacher, toys.examples(6), tmp_path / "a", asked, seed=3, shard_samples=4)
    dump(teacher, toys.examples(6), tmp_path / "b", asked, seed=3, shard_samples=4)
    store = Store.open(tmp_path / "a")
    assert store.digest == Store.open(tmp_path / "b").digest
    checked = verify(tmp_path / "a")
    assert checked.problems == ()
    about = store.description
    if "tail_temperatures" in values:
        assert about.tail_temperatures == (2, 0.5)
        check_tempered(teacher, store)
        return
    assert about.layout == "ragged"
    assert about.settings["entries"] in ("12 draws", "mass 0.3")
    assert about.k == (12 if "num_samples" in values else 80)
    assert checked.bytes_per_position < about.bytes_per_position == summary.bytes_per_position
    for sample in store:
        masses = np.exp(topk_logprob(sample).astype(np.float64)).sum(axis=1)
        assert (masses > (0.998 if "num_samples" in values else 0.299)).all()


def check_tempered(teacher: LocalTeacher, store: Store) -> None:
    """Stored tails at other temperatures against whole distributions."""
    for sample in store:
        prompts = [r.prompt for r in (sample.response,) if r.prompt]
        if not teacher.continues or not prompts:
            continue
        ids, tokens = list(teacher.prompt_tokens(prompts)[0]), sample.token_id.tolist()
        with torch.no_grad():
            logits = teacher._model(torch.tensor([ids + tokens])).logits[0, len(ids) - 1 : -1]
        for m, temperature in enumerate((2, 0.5)):
            log_p = (logits.double() / temperature).log_softmax(-1)
            stored = torch.tensor(topk_id(sample).astype(np.int64))
            rest = log_p.scatter(-1, stored, -torch.inf).logsumexp(-1)
            np.testing.assert_allclose(sample.tempered_tails[:, m], rest, atol=0.02)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_samples": 4, "top_p_mass": 0.5}, "drawn entries have no tail"),
        ({"num_samples": 4, "tail_temperatures": [2]}, "drawn entries have no tail"),
        ({"top_p_mass": 0}, "top_p_mass: .* greater than 0"),
        ({"num_samples": 0}, "num_samples: .* greater than or equal to 1"),
        (
            {"model": "m", "server": {"kind": "vllm", "urls": ["http://h"]}, "num_samples": 3},
            "a server tells its top_logprobs alone",
        ),
    ],
)
def test_settings_that_contradict(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build_teacher(values)


def test_sampling_that_contradicts() -> None:
    with pytest.raises(ValueError, match="drawn entries have no tail"):
        Sampling(1, draws=3, tail_temperatures=(2.0,))
    with pytest.raises(ValueError, match="draws at least 1"):
        Sampling(1, draws=0)
