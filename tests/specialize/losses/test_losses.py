"""The sparse KL against a float64 dense reference, and against what loses its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from specialize.losses import apply_tail, fused_kl, measured_kl, mix_label, sparse_kl
from specialize.rows.unlikely import UNLIKELY
from tests.reference import training as oracles

NONE = -torch.inf


@st.composite
def kl_cases(draw):
    """Logits, sparse rows and weights: saturated, one-hot, ragged, of full or little mass."""
    rows = draw(st.integers(1, 5))
    vocabulary = draw(st.integers(7, 40))
    width = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = rng.normal(size=(rows, vocabulary)) * draw(st.sampled_from([0.1, 1.0, 5.0]))
    ids = np.stack([rng.permutation(vocabulary)[:width] for _ in range(rows)])
    logprobs = np.full((rows, width), -np.inf)
    tail = np.full(rows, -np.inf)
    for row in range(rows):
        kind = draw(st.sampled_from(["soft", "full", "peaked", "hard", "ragged"]))
        used = 1 if kind == "hard" else draw(st.integers(1, width)) if kind == "ragged" else width
        concentration = 0.01 if kind == "peaked" else 1.0
        shares = rng.dirichlet(np.full(used + (kind not in ("full", "hard")), concentration))
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(shares, 1e-30))
        logprobs[row, :used] = logs[:used]
        if kind not in ("full", "hard"):
            tail[row] = logs[-1]
        gap = draw(st.sampled_from([0.0, 0.0, 20.0, 80.0]))
        push = draw(st.sampled_from(["top", "support", "outside"]))
        outside = np.setdiff1d(np.arange(vocabulary), ids[row, :used])
        chosen = {"top": ids[row, :1], "support": ids[row, :used], "outside": outside[:1]}[push]
        logits[row, chosen] += gap
    weight = rng.choice([0.0, 1.0, 0.25], size=rows)
    temperature = draw(st.sampled_from([1.0, 1.0, 2.0]))
    tensors = [torch.tensor(values, dtype=torch.float32) for values in (logprobs, tail, weight)]
    return torch.tensor(logits, dtype=torch.float32), torch.tensor(ids), *tensors, temperature


@given(kl_cases(), st.integers(1, 6), st.booleans())
def test_loss_and_gradient_equal_the_dense_reference(case, chunk, reuse):
    logits, ids, logprobs, tail, weight, temperature = case
    losses, gradients, sizes = oracles.dense_kl(logits, ids, logprobs, tail, temperature)
    leaf = logits.clone().requires_grad_()
    total, rows = measured_kl(
        leaf * 1, ids, logprobs, tail, weight,
        temperature=temperature, chunk=chunk, reuse_logits=reuse,
    )  # fmt: skip
    total.backward()
    gradient = leaf.grad.double()
    assert torch.isfinite(gradient).all()
    assert torch.isfinite(total)
    on = weight != 0
    # relative to the row's largest pair of terms: where these do not cancel, to the gradient
    scale = (sizes * weight[:, None]).amax(1).clamp(min=1e-37)
    error = (gradient - gradients * weight[:, None]).abs().amax(1) / scale
    assert (error[on] <= 2e-7).all(), error
    assert (gradient[~on] == 0).all()
    # never 0 nor of the wrong sign where the truth is not: entry by entry, unless float32 has no
    # such number or the two terms cancel
    truth = gradients * weight[:, None]
    matters = (truth.abs() > 1e-37) & (truth.abs() > 1e-5 * sizes * weight[:, None])
    assert (gradient[matters].sign() == truth[matters].sign()).all()
    bound = 1e-6 * (1 + losses.abs().max() * weight.max())
    assert abs(total.item() - (losses * weight).sum().item()) <= bound * len(losses)
    np.testing.assert_allclose(rows.nats[on], losses[on], rtol=1e-5, atol=1e-6)
    assert (rows.nats[~on] == 0).all()


@given(kl_cases())
def test_measures_of_rows(case):
    logits, ids, logprobs, tail, weight, _ = case
    _, rows = measured_kl(logits, ids, logprobs, tail, torch.ones_like(weight))
    used = logprobs > NONE
    q = torch.softmax(logits.double(), 1)
    mass = torch.where(used, q.gather(1, ids), 0.0).sum(1)
    np.testing.assert_allclose(rows.student_mass, mass, rtol=1e-5, atol=1e-7)
    teacher_top = ids.gather(1, logprobs.argmax(1, keepdim=True)).squeeze(1)
    expected = logits.gather(1, teacher_top[:, None]).squeeze(1) == logits.amax(1)
    assert torch.equal(rows.agreement.bool(), expected)


def hard_case(rows=12, vocabulary=301, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, vocabulary, generator=generator) * 4
    labels = torch.randint(vocabulary, (rows,), generator=generator)
    return logits, labels


@pytest.mark.parametrize("gap", [0.0, 30.0, 80.0])
def test_hard_rows_are_cross_entropy(gap):
    logits, labels = hard_case()
    logits[range(12), labels] += gap
    hard = (labels[:, None], torch.zeros(12, 1), torch.full((12,), NONE))
    ours, plain = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    nats, weight = sparse_kl(ours, *hard, torch.ones(12))
    (nats / weight).backward()
    reference = cross_entropy(plain, labels)
    reference.backward()
    assert weight == 12
    assert (nats / weight).item() == pytest.approx(reference.item(), rel=1e-6, abs=1e-6)
    assert (ours.grad - plain.grad).abs().max() <= 1e-6
    # F.cross_entropy's gradient at the label is q - 1, which is 0 once q rounds to 1
    _, gradients, _ = oracles.dense_kl(logits, *hard)
    np.testing.assert_allclose(
        12 * ours.grad.double(), gradients, rtol=0, atol=2e-7 * gradients.abs().max()
    )
    if gap == 80:
        assert (plain.grad[range(12), labels] == 0).all()
        assert (ours.grad[range(12), labels] < 0).all()


def saturated(gap=60.0, vocabulary=50):
    logits = torch.zeros(1, vocabulary)
    logits[0, 3] = gap
    return logits


CASES = {
    # name: (student's logits, teacher's mass on entries 3 and 7, rest); the truth off the support
    "teacher mass 1": (torch.zeros(1, 50), [0.75, 0.25]),
    "saturated student": (saturated(), [0.7, 0.2]),
    "gap of 80 nats": (saturated(80.0), [0.7, 0.2]),
    "one-hot": (torch.zeros(1, 50), [1.0]),
}
IDS_37 = torch.tensor([[3, 7]])


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("name", CASES)
def test_hard_cases_have_the_true_gradient(name, temperature):
    logits, p = CASES[name]
    ids, logprobs = IDS_37[:, : len(p)], torch.tensor([p]).log()
    tail = torch.tensor([1 - sum(p)]).clamp(min=0).log() if sum(p) < 0.999 else torch.tensor([NONE])
    leaf = logits.clone().requires_grad_()
    nats, _ = sparse_kl(leaf, ids, logprobs, tail, torch.ones(1), temperature=temperature)
    nats.backward()
    losses, gradients, _ = oracles.dense_kl(logits, ids, logprobs, tail, temperature)
    assert nats.item() == pytest.approx(losses.item(), rel=1e-6)
    assert (leaf.grad - gradients).abs().max() <= 2e-7 * gradients.abs().max()
    assert (leaf.grad[0, 10:] != 0).all()


@pytest.mark.parametrize("vocabulary", [2047, 2048, 2111, 5000])
@pytest.mark.parametrize("gap", [0.0, 30.0, 90.0])
def test_wide_rows_have_the_true_gradient(vocabulary, gap):
    generator = torch.Generator().manual_seed(vocabulary)
    logits = torch.randn(3, vocabulary, generator=generator)
    logits[0, 3] += gap
    logits[1, -1] += gap
    stored = torch.log_softmax(torch.randn(3, vocabulary, generator=generator), 1).topk(4)
    tail = torch.log1p(-stored.values.exp().sum(1))
    leaf = logits.clone().requires_grad_()
    nats, _ = sparse_kl(leaf, stored.indices, stored.values, tail, torch.ones(3))
    nats.backward()
    losses, gradients, sizes = oracles.dense_kl(logits, stored.indices, stored.values, tail)
    assert nats.item() == pytest.approx(losses.sum().item(), rel=1e-6)
    error = (leaf.grad - gradients).abs().amax(1) / sizes.amax(1)
    assert (error <= 2e-7).all(), error


@pytest.mark.parametrize(
    ("bucket", "name", "harm"),
    [
        (oracles.distillkit_bucket, "teacher mass 1", "nan"),
        (oracles.distillkit_bucket, "one-hot", "nan"),
        (oracles.distillkit_bucket, "saturated student", "nan"),
        (oracles.distillkit_bucket, "gap of 80 nats", "nan"),
        (oracles.trl_bucket, "saturated student", "zero"),
        (oracles.trl_bucket, "gap of 80 nats", "zero"),
        (oracles.megatron_bucket, "saturated student", "zero"),
        (oracles.megatron_bucket, "gap of 80 nats", "zero"),
    ],
)
def test_the_same_cases_break_the_common_buckets(bucket, name, harm):
    """Tail by 1 - sum: NaN at mass 1, no gradient off the support of a saturated student."""
    logits, p = CASES[name]
    leaf = logits.clone().requires_grad_()
    loss = bucket(leaf, IDS_37[:, : len(p)], torch.tensor([p]).log())
    loss.backward()
    if harm == "nan":
        assert not torch.isfinite(loss)
        assert name in ("teacher mass 1", "one-hot") or torch.isnan(leaf.grad).any()
    else:
        assert (leaf.grad[0, 10:].abs() < 1e-20).all()  # the truth is -0.1 / 48


def test_row_of_tail_alone_says_nothing_and_weight_zero_is_not_read():
    logits = torch.randn(3, 9)
    logits[2] = torch.nan
    leaf = logits.clone().requires_grad_()
    ids = torch.tensor([[0, 0], [4, 5], [1, 2]])
    logprobs = torch.tensor([[NONE, NONE], [-0.5, NONE], [-1.0, -1.0]])
    tail = torch.tensor([0.0, np.log(1 - np.exp(-0.5)), NONE])
    nats, weight = sparse_kl(leaf, ids, logprobs, tail, torch.tensor([1.0, 1.0, 0.0]))
    nats.backward()
    assert weight == 2
    assert torch.isfinite(nats)
    assert (leaf.grad[[0, 2]] == 0).all()
    assert (leaf.grad[1] != 0).all()


def test_unused_slots_may_be_anywhere_and_repeat_ids():
    logits = torch.randn(1, 9)
    want = sparse_kl(
        logits, torch.tensor([[4]]), torch.tensor([[0.0]]), torch.tensor([NONE]), torch.ones(1)
    )
    have = sparse_kl(
        logits,
        torch.tensor([[0, 4, 4, 7]]),
        torch.tensor([[NONE, 0.0, NONE, NONE]]),
        torch.tensor([NONE]),
        torch.ones(1),
    )
    assert have[0] == want[0]


def test_bfloat16_is_computed_in_float32():
    logits, labels = hard_case(rows=6, vocabulary=64)
    half = logits.bfloat16()
    leaf, full = half.clone().requires_grad_(), half.float().requires_grad_()
    rows = (labels[:, None], torch.zeros(6, 1), torch.full((6,), NONE), torch.ones(6))
    for z in (leaf, full):
        sparse_kl(z, *rows)[0].backward()
    assert leaf.grad.dtype == torch.bfloat16
    assert torch.equal(leaf.grad, full.grad.bfloat16())


def test_gradient_scales_with_what_comes_from_above():
    logits, labels = hard_case(rows=4)
    rows = (labels[:, None], torch.zeros(4, 1), torch.full((4,), NONE), torch.ones(4))
    one, three = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    sparse_kl(one, *rows)[0].backward()
    (3 * sparse_kl(three, *rows)[0]).backward()
    np.testing.assert_allclose(three.grad, 3 * one.grad, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"ids": torch.zeros(3, 2, dtype=torch.long)},
            r"ids \(3, 2\) and logprobs \(2, 1\) must both",
        ),
        ({"logits": torch.zeros(3, 5)}, "3 rows of logits, but 2 of targets"),
        ({"tail": torch.zeros(3)}, r"tail \(3,\) and weight \(2,\) must be \(2,\)"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"temperature": torch.ones(3)}, r"temperature \(3,\) must be \(2,\)"),
        ({"beta": 1.5}, "beta must be from 0 to 1, got 1.5"),
        ({"beta": torch.ones(3)}, r"beta \(3,\) must be \(2,\)"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    arguments = {
        "logits": torch.zeros(2, 5),
        "ids": torch.zeros(2, 1, dtype=torch.long),
        "logprobs": torch.zeros(2, 1),
        "tail": torch.full((2,), NONE),
        "weight": torch.ones(2),
    } | change
    with pytest.raises(ValueError, match=message):
        sparse_kl(**arguments)


# ---- fused with the projection ----------------------------------------------------------------


@given(kl_cases(), st.integers(1, 6))
def test_the_fused_form_is_projection_and_kernel(case, chunk):
    logits, ids, logprobs, tail, weight, temperature = case
    generator = torch.Generator().manual_seed(len(logits))
    hidden = torch.randn(len(logits), 6, generator=generator)
    projection = torch.randn(logits.shape[1], 6, generator=generator)
    rows = (ids, logprobs, tail, weight)
    leaves = [values.clone().requires_grad_() for values in (hidden, projection) * 2]
    plain, seen = measured_kl(leaves[0] @ leaves[1].T, *rows, temperature=temperature)
    fused, measures = fused_kl(leaves[2], leaves[3], *rows, temperature=temperature, chunk=chunk)
    assert fused.item() == pytest.approx(plain.item(), rel=1e-5, abs=1e-5)
    (2 * plain).backward()
    (2 * fused).backward()
    for one, other in ((leaves[0], leaves[2]), (leaves[1], leaves[3])):
        np.testing.assert_allclose(other.grad, one.grad, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(measures.nats, seen.nats, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(measures.student_mass, seen.student_mass, rtol=1e-4, atol=1e-5)


def test_the_fused_form_in_bfloat16_and_with_a_frozen_projection():
    hidden, projection = torch.randn(5, 8), torch.randn(30, 8)
    labels = torch.arange(5)
    rows = (labels[:, None], torch.zeros(5, 1), torch.full((5,), NONE), torch.ones(5))
    half = hidden.bfloat16().requires_grad_()
    weight = projection.clone().requires_grad_()
    nats, _ = fused_kl(half, weight, *rows, chunk=2)
    nats.backward()
    exact, leaf = hidden.clone().requires_grad_(), projection.clone().requires_grad_()
    cross_entropy(exact @ leaf.T, labels, reduction="sum").backward()
    with torch.autocast("cpu", torch.bfloat16):
        again, _ = fused_kl(hidden, projection, *rows)
    assert again.item() == pytest.approx(nats.item(), rel=0.02)
    assert half.grad.dtype == torch.bfloat16
    assert weight.grad.dtype == torch.float32
    for one, other in ((half, exact), (weight, leaf)):
        error = (one.grad.float() - other.grad).abs().max()
        assert error < 0.03 * other.grad.abs().max()
    frozen = hidden.clone().requires_grad_()
    fused_kl(frozen, projection, *rows)[0].backward()
    np.testing.assert_allclose(frozen.grad, exact.grad, atol=1e-5)
    assert projection.grad is None
    with pytest.raises(ValueError, match=r"hidden \(5, 8\), projection \(30, 7\) and 5 rows"):
        fused_kl(hidden, projection[:, 1:], *rows)


# ---- the tail's rules --------------------------------------------------------------------------

IDS = torch.tensor([[4, 7, 0], [4, 0, 0], [5, 6, 7]])
LOGPROBS = torch.tensor([[0.5, 0.25, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]).log()
TAIL = torch.tensor([0.25, 0.0, 1.0]).log()
LABELS = torch.tensor([7, 4, 2])


def dense(ids, logprobs, tail):
    rows = torch.zeros(3, 10)
    rows.scatter_add_(1, ids, logprobs.exp())
    rows[:, 9] += tail.exp()
    return rows


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        ("bucket", [{4: 0.5, 7: 0.25, 9: 0.25}, {4: 1.0}, {9: 1.0}]),
        ("renormalize", [{4: 2 / 3, 7: 1 / 3}, {4: 1.0}, {}]),
        ("to_label", [{4: 0.5, 7: 0.5}, {4: 1.0}, {2: 1.0}]),
        ("drop", [{4: 0.5, 7: 0.25}, {4: 1.0}, {}]),
    ],
)
def test_tail_rules(rule, rows):
    before = [values.clone() for values in (IDS, LOGPROBS, TAIL)]
    have = dense(*apply_tail(rule, IDS, LOGPROBS, TAIL, LABELS))
    want = torch.zeros(3, 10)
    for row, entries in enumerate(rows):
        for token, mass in entries.items():
            want[row, token] = mass
    np.testing.assert_allclose(have, want, atol=1e-6)
    assert all(map(torch.equal, before, (IDS, LOGPROBS, TAIL)))


def test_dropped_tail_gives_the_raw_partial_sum():
    logits = torch.randn(3, 10)
    leaf = logits.clone().requires_grad_()
    rows = apply_tail("drop", IDS, LOGPROBS, TAIL, LABELS)
    nats, _ = sparse_kl(leaf, *rows, torch.ones(3))
    nats.backward()
    plain = logits.clone().requires_grad_()
    p = LOGPROBS[:2].exp()
    log_q = torch.log_softmax(plain, 1)[:2].gather(1, IDS[:2])
    expected = torch.where(p > 0, p * (LOGPROBS[:2] - log_q), 0.0).sum()
    expected.backward()
    assert nats.item() == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(leaf.grad, plain.grad, atol=1e-6)


# ---- label share, other divergences, what torch compiles ---------------------------------------


@given(kl_cases(), st.sampled_from([0.1, 0.5, 0.9]))
def test_a_label_share_is_a_mixture_of_kl_and_cross_entropy(case, share):
    logits, ids, logprobs, tail, weight, _ = case
    labels = ids[:, 0]
    soft = ~((logprobs == 0) & torch.isneginf(tail)[:, None]).any(1)
    gradients = []
    for rows in (
        (ids, logprobs, tail),
        (labels[:, None], torch.zeros(len(ids), 1), torch.full_like(tail, NONE)),
        mix_label(ids, logprobs, tail, labels, share),
    ):
        leaf = logits.clone().requires_grad_()
        sparse_kl(leaf, *rows, weight)[0].backward()
        gradients.append(leaf.grad.double())
    kl, ce, mixed = gradients
    want = torch.where(soft[:, None], (1 - share) * kl + share * ce, kl)
    np.testing.assert_allclose(mixed, want, atol=3e-7)
    assert mix_label(ids, logprobs, tail, labels, 0.0) == (ids, logprobs, tail)
    absent = ids.amax(1) + 1
    _, given, left = mix_label(ids, logprobs, tail, absent, share)
    np.testing.assert_allclose(given.exp().sum(1) + left.exp(), 1, atol=1e-5)
    np.testing.assert_allclose(given[:, -1].exp(), share, rtol=1e-5)


def test_a_row_that_excludes_its_token_is_unlikelihood():
    """-log(1 - q_y) of Welleck et al. 2020, arXiv:1908.04319."""
    logits = torch.randn(4, 11) * 3
    labels = torch.tensor([0, 3, 10, 5])
    rows = (labels[:, None], torch.full((4, 1), UNLIKELY), torch.zeros(4))
    leaf, plain = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    nats, _ = sparse_kl(leaf, *rows, torch.ones(4))
    nats.backward()
    q = torch.softmax(plain.double(), 1)[range(4), labels]
    expected = -(1 - q).log().sum()
    expected.backward()
    assert nats.item() == pytest.approx(expected.item(), rel=1e-6)
    np.testing.assert_allclose(leaf.grad, plain.grad, atol=1e-6)
    changed = [mix_label(*rows, labels, 0.5)]
    changed += [apply_tail(r, *rows, labels) for r in ("bucket", "renormalize", "to_label", "drop")]
    for other in changed:
        assert sparse_kl(logits, *other, torch.ones(4))[0] == pytest.approx(nats.item(), rel=1e-6)


BETAS = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])


@given(kl_cases(), st.lists(BETAS, min_size=5, max_size=5), st.integers(1, 6), st.booleans())
def test_every_divergence_is_the_dense_one_over_k_and_one_classes(case, betas, chunk, fused):
    """Reverse KL and JSD too, rows of several in one call, for saturated students as well."""
    logits, ids, logprobs, tail, weight, temperature = case
    each = [
        oracles.dense_divergence(
            beta, *(values[i : i + 1] for values in (logits, ids, logprobs, tail)), temperature
        )
        for i, beta in enumerate(betas[: len(ids)])
    ]
    losses, gradients = (torch.cat(parts) for parts in zip(*each, strict=True))
    leaf, rows = logits.clone().requires_grad_(), (ids, logprobs, tail, weight)
    given = {"temperature": temperature, "chunk": chunk, "beta": torch.tensor(betas[: len(ids)])}
    if fused:
        total, measures = fused_kl(leaf, torch.eye(logits.shape[1]), *rows, **given)
    else:
        total, measures = measured_kl(leaf, *rows, **given)
    total.backward()
    truth = gradients * weight[:, None]
    scale = truth.abs().amax(1).clamp(min=1)
    assert ((leaf.grad.double() - truth).abs().amax(1) <= 1e-6 * scale).all()
    on = weight != 0
    np.testing.assert_allclose(measures.nats[on], losses[on], rtol=1e-5, atol=1e-6)
    assert (measures.nats >= -1e-6).all()
    _, seen = measured_kl(logits, *rows, temperature=temperature)
    assert torch.equal(measures.agreement, seen.agreement)
    assert torch.equal(measures.student_mass, seen.student_mass) or fused


@given(kl_cases(), BETAS)
def test_one_beta_is_that_of_every_row(case, beta):
    logits, *rows, temperature = case
    found = []
    for of_rows in (beta, torch.full((len(logits),), beta)):
        leaf = logits.clone().requires_grad_()
        nats, _ = sparse_kl(leaf, *rows, temperature=temperature, beta=of_rows)
        nats.backward()
        found.append((nats.detach(), leaf.grad))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_rows_of_several_temperatures_are_those_of_each(fused, beta):
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(6, 40, generator=generator)
    stored = torch.log_softmax(torch.randn(6, 40, generator=generator), 1).topk(3)
    tail = torch.log1p(-stored.values.exp().sum(1))
    temperatures = torch.tensor([1.0, 2.0, 4.0, 2.0, 1.0, 0.5])

    def loss(rows, temperature):
        leaf = logits[rows].clone().requires_grad_()
        targets = (stored.indices[rows], stored.values[rows], tail[rows], torch.ones(len(rows)))
        given = {"temperature": temperature, "beta": beta, "chunk": 2}
        if fused:
            nats, _ = fused_kl(leaf, torch.eye(40), *targets, **given)
        else:
            nats, _ = measured_kl(leaf, *targets, **given)
        nats.backward()
        return nats, leaf.grad

    whole, gradient = loss(torch.arange(6), temperatures)
    one_by_one = [loss(torch.tensor([i]), float(temperatures[i])) for i in range(6)]
    assert whole.item() == pytest.approx(sum(nats.item() for nats, _ in one_by_one), rel=1e-6)
    np.testing.assert_allclose(
        gradient, torch.cat([g for _, g in one_by_one]), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("beta", [0.5, 1.0])
def test_other_divergences_are_bounded_and_have_the_teacher_as_optimum(beta):
    ids = torch.tensor([[3, 7, 0], [2, 0, 0]])
    logprobs = torch.tensor([[0.5, 0.25, 0.0], [1.0, 0.0, 0.0]]).log()
    tail = torch.tensor([0.25, 0.0]).log()
    rows = (ids, logprobs, tail, torch.ones(2))
    leaf = torch.randn(2, 12, generator=torch.Generator().manual_seed(1)).requires_grad_()
    optimizer = torch.optim.Adam([leaf], lr=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        nats, measures = measured_kl(leaf, *rows, beta=beta)
        nats.backward()
        assert nats > -1e-6
        assert torch.isfinite(leaf.grad).all()
        optimizer.step()
    q = torch.softmax(leaf.detach(), 1)
    np.testing.assert_allclose(q[0, [3, 7]], [0.5, 0.25], atol=0.01)
    assert q[1, 2] > 0.98
    assert measures.agreement.tolist() == [1, 1]
    saturated_leaf = saturated(80.0).requires_grad_()
    nats, _ = measured_kl(saturated_leaf, *(values[:1] for values in rows), beta=beta)
    nats.backward()
    assert torch.isfinite(saturated_leaf.grad).all()


@pytest.mark.filterwarnings("ignore")  # the compiler warns about its own inside
@pytest.mark.slow
@pytest.mark.parametrize("fused", [False, True])
def test_a_compiled_step_has_the_same_loss_and_gradient(fused):
    labels = torch.arange(5)
    rows = (labels[:, None], torch.zeros(5, 1), torch.full((5,), NONE), torch.ones(5))

    def step(hidden, projection):
        if fused:
            return fused_kl(hidden * 2, projection, *rows)[0]
        return measured_kl((hidden * 2) @ projection.T, *rows, reuse_logits=True)[0]

    leaves = [torch.randn(5, 8).requires_grad_(), torch.randn(30, 8).requires_grad_()]
    found = []
    for run in (step, torch.compile(step, backend="aot_eager")):
        for leaf in leaves:
            leaf.grad = None
        loss = run(*leaves)
        loss.backward()
        found.append([loss.detach(), *(leaf.grad.clone() for leaf in leaves)])
    for plain, compiled in zip(*found, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
@pytest.mark.parametrize("fused", [False, True])
@given(case=kl_cases())
def test_a_gpu_gives_the_loss_and_gradient_of_the_dense_reference(case, fused):
    logits, ids, logprobs, tail, weight, temperature = case
    _, gradients, sizes = oracles.dense_kl(logits, ids, logprobs, tail, temperature)
    rows = [values.cuda() for values in (ids, logprobs, tail, weight)]
    leaf = logits.cuda().requires_grad_()
    if fused:  # the identity as projection: the states are the logits
        identity = torch.eye(logits.shape[1], device="cuda")
        fused_kl(leaf, identity, *rows, temperature=temperature, chunk=2)[0].backward()
    else:
        measured_kl(leaf, *rows, temperature=temperature)[0].backward()
    scale = (sizes * weight[:, None]).amax(1).clamp(min=1e-37)
    error = (leaf.grad.cpu().double() - gradients * weight[:, None]).abs().amax(1) / scale
    assert (error[weight != 0] <= 2e-7).all(), error
