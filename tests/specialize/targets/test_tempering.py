"""Rows at another temperature, from the teacher's logits to the student's loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from align.sparse import from_padded
from specialize.config.yaml_files import build_recipe
from specialize.errors import ConfigurationError
from specialize.quickstart.run import Size, quickstart_recipe, write_data
from specialize.stages.recipe_stores import make_stores
from specialize.store import Store
from specialize.targets.stage import write_targets
from specialize.targets.tempering import row_temperature, tempered
from specialize.teacher.local.sparse_rows import take_sparse_rows
from specialize.train import train
from specialize.train.preparation import prepare


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 10.0])
@pytest.mark.parametrize("sharpness", [0.1, 3.0, 12.0])
def test_stored_rows_become_those_of_tempered_logits(temperature: float, sharpness: float) -> None:
    logits = sharpness * torch.randn(40, 200, generator=torch.Generator().manual_seed(1))
    truth = torch.log_softmax(logits.double() / temperature, 1)
    rows = take_sparse_rows(
        logits.clone(), torch.zeros(40, dtype=torch.long), 5, temperatures=(3.0, temperature)
    )
    stored = from_padded(rows.ids.numpy(), rows.logprobs.numpy(), rows.tails.numpy())
    found = tempered(stored, rows.tempered_tails[:, 1].numpy(), temperature)
    ids, logprobs, tail = found.padded(5)
    want = truth.gather(1, torch.from_numpy(ids.astype(np.int64)))
    np.testing.assert_allclose(np.exp(logprobs), want.exp(), rtol=1e-4, atol=1e-7)
    outside = truth.clone().scatter_(1, rows.ids, -torch.inf).logsumexp(1)
    np.testing.assert_allclose(np.exp(tail), outside.exp(), rtol=1e-4, atol=1e-7)


def test_a_row_without_a_tail_keeps_mass_one() -> None:
    rows = from_padded(
        np.array([[1, 2], [3, 0]]), np.log([[0.75, 0.25], [1, 1e-30]]), np.full(2, -np.inf)
    )
    found = tempered(rows, np.full(2, -np.inf, np.float32), 2.0)
    np.testing.assert_allclose(found.mass(), 1, atol=1e-6)
    np.testing.assert_allclose(np.exp(found.logprobs[:2]), [0.634, 0.366], atol=1e-3)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A recipe over the bundled models, with tails at 2."""
    folder = tmp_path_factory.mktemp("warm")
    size = Size(questions=12, samples=1, steps=2, examples=2)
    write_data(folder / "data", size)
    values = quickstart_recipe(folder, size).model_dump(mode="json")
    values["teachers"]["tiny"]["tail_temperatures"] = [2.0]
    values["training"] |= {"temperature": 2.0, "checkpoint_every": 2}
    values["optimization"] |= {"steps": 2, "batch_rows": 4, "accumulation": 1}
    return folder, values


def test_a_recipe_sets_the_temperature_of_its_loss(small, tmp_path: Path) -> None:
    _, values = small
    recipe, run = build_recipe(values), tmp_path / "run"
    make_stores(recipe, run)
    warm = Store.open(run / "targets" / "tiny")
    assert row_temperature(warm.description) == 2
    write_targets(run / "responses" / "tiny", tmp_path / "cold", student=recipe.student)
    cold = Store.open(tmp_path / "cold")
    assert row_temperature(cold.description) == 1
    tails = [
        np.exp(np.concatenate([sample.distributions.tail for sample in store])).mean()
        for store in (cold, warm)
    ]
    assert tails[1] > 1.5 * tails[0]  # a warmer teacher leaves more to the rest
    summary = train(recipe, run)
    assert summary.trained == 2
    with pytest.raises(ConfigurationError, match=r"rows at temperature 2, but .* is 1; align"):
        prepare(build_recipe(values | {"training": {}}), other_run(run))


def other_run(run: Path) -> Path:
    """A new run over the same targets."""
    other = run.with_name("other")
    other.mkdir()
    (other / "targets").symlink_to(run / "targets")
    return other


def test_what_has_no_tail_at_the_temperature_is_refused(small, tmp_path: Path) -> None:
    _, values = small
    teachers = {"tiny": values["teachers"]["tiny"] | {"tail_temperatures": [4.0]}}
    with pytest.raises(ConfigurationError, match=r"stores no tail at it; set teachers\.tiny"):
        build_recipe(values | {"teachers": teachers})
    with pytest.raises(ConfigurationError, match="leave one of them out"):
        build_recipe(values | {"training": values["training"] | {"hard_label_weight": 0.1}})
    plain = build_recipe(values | {"training": {}, "teachers": teachers})
    make_stores(plain, tmp_path / "run")
    with pytest.raises(ConfigurationError, match=r"at temperature 2 \(those it holds: 4\)"):
        write_targets(
            tmp_path / "run" / "responses" / "tiny", tmp_path / "warm",
            student=plain.student, temperature=2.0,
        )  # fmt: skip
