"""A local teacher's rows are those of one plain forward pass, however the text came about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import load_file, save_file

from specialize.errors import ConfigurationError, InputError, TeacherError
from specialize.formats import by_name
from specialize.teacher.cutting import Cut, cut_at_answer
from specialize.teacher.local.decode import head_groups
from specialize.teacher.local.sample import _Stops, draw_tokens
from specialize.teacher.local.score import Given, batches_of, score_batch
from specialize.teacher.local.sparse_rows import take_sparse_rows
from specialize.teacher.local.teacher import LocalTeacher, load_teacher
from specialize.teacher.protocol import Sampling, ScoredText
from tests.support import teacher_toys as toys
from tests.support.largest_tensor import LargestTensor
from tests.support.store_samples import topk_id, topk_logprob

FORM = by_name("zero-shot-cot")
KINDS = [toys.gpt2, toys.llama, toys.t5]
torch.set_num_threads(1)


def teacher_of(make: Callable[[], Path], **options: int) -> LocalTeacher:
    return load_teacher(str(make()), device="cpu", **options)


def prompts_of(questions: int, samples: int) -> list[str]:
    return [FORM.prompt(e) for e in toys.examples(questions) for _ in range(samples)]


def full_logprobs(teacher: LocalTeacher, prompt: str, scored: ScoredText) -> torch.Tensor:
    """(R, V) log-probabilities of one text by one plain forward pass."""
    ids, tokens = list(teacher.prompt_tokens([prompt])[0]), scored.token_id.tolist()
    model = teacher._model
    with torch.no_grad():
        if teacher.continues:
            logits = model(torch.tensor([ids + tokens])).logits[0, len(ids) - 1 : -1]
        else:
            start = model.config.decoder_start_token_id
            decoder = torch.tensor([[start, *tokens[:-1]]])
            logits = model(input_ids=torch.tensor([ids]), decoder_input_ids=decoder).logits[0]
    return logits.double().log_softmax(-1)


def assert_rows(teacher: LocalTeacher, prompt: str, scored: ScoredText) -> None:
    expected = full_logprobs(teacher, prompt, scored)
    tokens = torch.tensor(scored.token_id).long()
    own = expected.gather(-1, tokens[:, None])[:, 0].numpy()
    np.testing.assert_allclose(scored.token_logprob, own, atol=1e-5)
    k = topk_id(scored).shape[1]
    np.testing.assert_allclose(topk_logprob(scored), expected.topk(k).values.numpy(), atol=1e-5)
    named = expected.gather(-1, torch.tensor(topk_id(scored)).long()).numpy()
    np.testing.assert_allclose(topk_logprob(scored), named, atol=1e-5)
    rest = expected.scatter(-1, torch.tensor(topk_id(scored)).long(), -torch.inf)
    np.testing.assert_allclose(scored.distributions.tail, rest.logsumexp(-1).numpy(), atol=1e-5)


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("rows", [3, 128])
def test_sampled_rows_equal_a_full_forward_pass(make: Callable[[], Path], rows: int) -> None:
    teacher = teacher_of(make, batch_rows=rows)
    prompts = prompts_of(6, 3)
    sampled = teacher.sample(prompts, range(18), Sampling(max_new_tokens=30, temperature=0.8))
    for prompt, scored in zip(prompts, sampled, strict=True):
        assert_rows(teacher, prompt, scored)


@pytest.mark.parametrize("make", KINDS)
def test_scored_rows_equal_a_full_forward_pass(make: Callable[[], Path]) -> None:
    teacher = teacher_of(make, batch_rows=4)
    examples = toys.examples(7)
    prompts = [FORM.prompt(example) for example in examples]
    texts = [FORM.target(example.rationale, example.answer) for example in examples]
    for prompt, text, scored in zip(
        prompts, texts, teacher.score(prompts, texts, Sampling(max_new_tokens=1)), strict=True
    ):
        assert scored.finish == "given"
        assert scored.text == text
        assert_rows(teacher, prompt, scored)
        spelled = b"".join(teacher.tokenizer.pieces(scored.token_id.tolist())).decode()
        if teacher.continues:
            assert spelled == text
        else:
            assert scored.token_id[-1] == teacher.tokenizer.eos


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("settings_", [Sampling(1), Sampling(1, draws=7)], ids=["top", "draws"])
def test_a_long_text_is_read_in_pieces(make: Callable[[], Path], settings_: Sampling) -> None:
    """Its rows are those of one pass, whatever the size of the pieces."""
    teacher = teacher_of(make)
    example = toys.examples(3)[2]
    prompt, text = FORM.prompt(example), FORM.target(example.rationale, example.answer)
    [item] = teacher._given([prompt], [text])
    [whole] = score_batch(teacher._model, [item], settings_, positions=1000)
    for positions in (1, 5, len(item.tokens) - 1):
        [parts] = score_batch(teacher._model, [item], settings_, positions=positions)
        assert parts.text == whole.text
        assert parts.token_id.tolist() == whole.token_id.tolist()
        assert topk_id(parts).tolist() == topk_id(whole).tolist()
        np.testing.assert_allclose(topk_logprob(parts), topk_logprob(whole), atol=2e-5)
        np.testing.assert_allclose(parts.distributions.tail, whole.distributions.tail, atol=2e-5)
        np.testing.assert_allclose(parts.token_logprob, whole.token_logprob, atol=2e-5)


def test_texts_of_different_lengths_need_no_mask_of_their_square() -> None:
    teacher = teacher_of(toys.gpt2)
    given = teacher._given(["apples 3 " * 100, "apples 3 " * 95], ["3", "4"])
    with LargestTensor() as largest:
        score_batch(teacher._model, given, Sampling(1), positions=10_000)
    assert largest.numel < 2 * len(given[0]) ** 2


@pytest.mark.parametrize(("mask", "most"), [(1 << 25, 10), (500, 8)])
def test_logits_of_a_long_text_are_never_held_at_once(
    monkeypatch: pytest.MonkeyPatch, mask: int, most: int
) -> None:
    """Nor is more of an attention mask than is allowed: a piece times the whole text."""
    monkeypatch.setattr("specialize.teacher.local.score._MASK", mask)
    teacher = teacher_of(toys.gpt2)
    [item] = teacher._given(["Q: x\n"], ["apples 3 " * 25])
    shapes = []

    def note(_: torch.nn.Module, __: object, output: torch.Tensor) -> None:
        shapes.append(output.shape[-2])

    hook = teacher._model.get_output_embeddings().register_forward_hook(note)
    score_batch(teacher._model, [item], Sampling(1), positions=10)
    hook.remove()
    assert max(shapes) == most == min(10, mask // len(item))
    assert sum(shapes) == len(item.tokens) + 1  # and one after the prompt, which is not used


def test_scoring_gives_the_rows_of_sampling() -> None:
    teacher = teacher_of(toys.gpt2)
    prompts = prompts_of(8, 1)
    sampled = teacher.sample(prompts, range(8), Sampling(max_new_tokens=40, temperature=0.3))
    scored = teacher.score(prompts, [s.text for s in sampled], Sampling(max_new_tokens=1))
    compared = 0
    for a, b in zip(sampled, scored, strict=True):
        # a sampled segmentation need not be the tokenizer's own; up to there, rows must agree
        length = min(len(a), len(b))
        same = int(np.cumprod(a.token_id[:length] == b.token_id[:length]).sum())
        np.testing.assert_allclose(topk_logprob(a)[:same], topk_logprob(b)[:same], atol=1e-5)
        np.testing.assert_allclose(
            a.distributions.tail[:same], b.distributions.tail[:same], atol=1e-5
        )
        compared += same
    assert compared > 8


@pytest.mark.parametrize("make", KINDS)
def test_a_text_follows_from_its_prompt_and_seed(make: Callable[[], Path]) -> None:
    prompts, seeds = prompts_of(5, 4), list(range(20))
    settings_ = Sampling(max_new_tokens=25, temperature=1.2)
    whole = teacher_of(make).sample(prompts, seeds, settings_)
    again = teacher_of(make).sample(prompts, seeds, settings_)
    backwards = teacher_of(make, batch_rows=3).sample(prompts[::-1], seeds[::-1], settings_)
    for a, b, c in zip(whole, again, backwards[::-1], strict=True):
        assert a.token_id.tobytes() == b.token_id.tobytes()
        assert topk_logprob(a).tobytes() == topk_logprob(b).tobytes()
        assert a.distributions.tail.tobytes() == b.distributions.tail.tobytes()
        assert a.token_id.tolist() == c.token_id.tolist()
        # other batches, other rounding: in float32 up to 1e-5 of a sum of large logits
        np.testing.assert_allclose(topk_logprob(a), topk_logprob(c), atol=1e-4)
    texts = {scored.text for scored in whole}
    assert len(texts) > 10, "samples of one prompt must differ"


def test_a_shared_prompt_is_read_once() -> None:
    """20 questions after one 8-shot prompt: half the prompt tokens or less, and the same rows."""
    teacher = teacher_of(toys.gpt2)
    shown = "".join(f"Q: {i} + {i}?\nThe answer is {2 * i}\n\n" for i in range(8))
    prompts = [f"{shown}Q: Tom has {i} apples?\n" for i in range(20) for _ in range(2)]
    lengths = [len(ids) for ids in teacher.prompt_tokens(prompts)]
    assert min(lengths) > 100
    read = []

    def count(_: torch.nn.Module, __: object, options: dict[str, torch.Tensor]) -> None:
        read.append(options["input_ids"].numel())

    hook = teacher._model.register_forward_pre_hook(count, with_kwargs=True)
    sampled = teacher.sample(prompts, range(40), Sampling(max_new_tokens=1))
    hook.remove()
    assert sum(read) <= 0.5 * sum(lengths[::2])
    for prompt, scored in zip(prompts, sampled, strict=True):
        assert_rows(teacher, prompt, scored)
    other = teacher.sample([*prompts[:6], "Q: x\n"], range(7), Sampling(max_new_tokens=20))
    for prompt, scored in zip([*prompts[:6], "Q: x\n"], other, strict=True):
        assert_rows(teacher, prompt, scored)


def test_prompts_are_grouped_by_a_beginning_that_many_have() -> None:
    many, few = [1] * 70, [2] * 70
    prompts = [[*many, i] for i in range(8)] + [[*few, i] for i in range(7)] + [[3] * 64] * 9
    assert head_groups(prompts) == [1] * 8 + [0] * 16
    assert head_groups([[*many, 5]] * 30) == [0] * 30  # one question, many samples


def test_a_text_is_over_with_the_line_of_its_answer() -> None:
    """The step that would have followed is taken: it has the row of the end."""
    teacher = _answering()
    cut = Cut()
    asked = Sampling(max_new_tokens=200, temperature=3.0, until=cut.end)
    prompts = ["Q: x\n"] * 60
    over = unfinished = 0
    for prompt, scored in zip(prompts, teacher.sample(prompts, range(60), asked), strict=True):
        if scored.finish == "answer":
            over += 1
            assert_rows(teacher, prompt, scored)
            assert scored.token_id[-1] == teacher.tokenizer.eos
            assert cut.end(scored.text) is not None
            assert cut.end(scored.text[:-1]) is None, "it should have ended before"
            assert len(scored.end_id) == len(scored)
            kept = cut_at_answer(scored, cut, teacher.tokenizer)
            assert kept.text == scored.text[: cut.end(scored.text)]
            assert_rows(teacher, prompt, kept)  # the end's row is the first that was left out
            assert kept.token_id[-1] == teacher.tokenizer.eos
        elif scored.finish == "length":
            unfinished += 1
            assert cut.end(scored.text) is None
    assert over > 10
    whole = teacher.sample(prompts[:9], range(9), Sampling(max_new_tokens=30, temperature=3.0))
    assert {s.finish for s in whole} <= {"length", "eos"}


def test_a_text_that_is_looked_at_late_is_cut_where_it_was_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    teacher, cut = _answering(), Cut()
    asked = Sampling(max_new_tokens=100, temperature=3.0, until=cut.end)

    def stored() -> list[tuple[object, ...]]:
        texts = teacher.sample(["Q: x\n"] * 30, range(30), asked)
        kept = [cut_at_answer(text, cut, teacher.tokenizer) for text in texts]
        return [
            (one.text, one.finish, one.token_id.tolist(), topk_id(one).tolist()) for one in kept
        ]

    at_once = stored()
    monkeypatch.setattr("specialize.teacher.local.sample._PATIENCE", 2)
    assert stored() == at_once


def test_the_end_of_a_long_text_is_looked_for_in_linear_time() -> None:
    tokenizer, read = teacher_of(toys.gpt2).tokenizer, []
    stops = _Stops(tokenizer, lambda text: read.append(len(text)))
    tokens = np.array(tokenizer.encode("\n") * 6000, np.int32)
    for count in range(1, len(tokens) + 1):
        assert not stops.over(0, tokens[:count])
    assert sum(read) < 70 * len(tokens)  # of 3000 each, were it read in every line
    assert read[:60] == [*range(1, 61)]


def _answering() -> LocalTeacher:
    """A teacher that is made to write little but line breaks and answers."""
    biased = teacher_of(toys.gpt2)
    _lean_towards(biased, biased.tokenizer.encode("The answer is 3\n"))
    return biased


@pytest.mark.parametrize("special", [True, False])
def test_every_end_of_the_teacher_ends_its_text(tmp_path: Path, special: bool) -> None:
    """The tokenizer's end, one of the generation configuration, the template's end of turn."""
    path = toys.with_turns(tmp_path, special=special)
    teacher = load_teacher(str(path), device="cpu")
    ends = teacher.tokenizer.ends
    assert len(ends) == 3
    _lean_towards(teacher, [*ends, *teacher.tokenizer.encode("The answer")])
    sampled = teacher.sample(["Q: x\n"] * 60, range(60), Sampling(max_new_tokens=40))
    seen = {int(s.token_id[-1]) for s in sampled if s.finish == "eos"}
    assert seen == set(ends)
    for scored in sampled:
        inside = scored.token_id[: -1 if scored.finish == "eos" else None]
        assert not set(inside.tolist()) & set(ends)
        assert "<" not in scored.text
        assert scored.text == teacher.tokenizer.decode(inside.tolist())


def _lean_towards(teacher: LocalTeacher, wanted: list[int]) -> None:
    """Let the teacher write little but the ids ``wanted``."""
    bias = torch.full((teacher.description.vocabulary_size,), -30.0)
    bias[wanted] = 0

    def add(_: torch.nn.Module, __: object, output: torch.Tensor) -> torch.Tensor:
        return output * 0.05 + bias

    teacher._model.get_output_embeddings().register_forward_hook(add)


def test_the_context_bounds_a_text() -> None:
    teacher = teacher_of(toys.gpt2)
    prompts = ["Q: " + "apples 3 " * n + "\n" for n in (1, 20, 30, 2)] * 2
    lengths = [len(ids) for ids in teacher.prompt_tokens(prompts)]
    sampled = teacher.sample(prompts, range(8), Sampling(max_new_tokens=230))
    assert any(s.finish == "length" and len(s) < 230 for s in sampled)
    for prompt, length, scored in zip(prompts, lengths, sampled, strict=True):
        assert length + len(scored) <= 256
        assert_rows(teacher, prompt, scored)
    with pytest.raises(TeacherError, match=r"prompt 0 has \d+ tokens, which leaves no room"):
        teacher.sample(["apples " * 300], [0], Sampling(max_new_tokens=5))
    with pytest.raises(TeacherError, match=r"prompt and text 0 have .* context of 256"):
        teacher.score(["a"], ["apples " * 300], Sampling(max_new_tokens=5))


def test_llama_reads_its_beginning_of_sequence() -> None:
    teacher = teacher_of(toys.llama)
    assert teacher.prompt_tokens(["Q"])[0][0] == 1
    assert teacher_of(toys.gpt2).prompt_tokens(["Q"])[0][0] != 0


logits_rows = arrays(np.float32, (3, 11), elements=st.floats(-80, 80, width=32), fill=st.nothing())


@given(logits_rows, st.integers(1, 11))
@settings(max_examples=150)
def test_sparse_rows_against_float64(values: np.ndarray, k: int) -> None:
    tokens = torch.tensor([0, 5, 10])
    own, ids, logprobs, tail, _ = take_sparse_rows(torch.tensor(values), tokens, k)
    exact = torch.tensor(values).double().log_softmax(-1)
    np.testing.assert_allclose(own, exact[range(3), tokens], atol=2e-5)
    np.testing.assert_allclose(logprobs, exact.gather(-1, ids), atol=2e-5)
    assert (logprobs.diff(dim=-1) <= 0).all()
    rest = exact.scatter(-1, ids, -torch.inf).logsumexp(-1)
    np.testing.assert_allclose(tail, rest, atol=2e-5)
    assert all(len(set(row)) == k for row in ids.tolist())


@pytest.mark.parametrize("width", [128 * 48, 128 * 60 + 17, 5000])
def test_large_vocabularies_are_searched_by_blocks(width: int) -> None:
    generator = torch.Generator().manual_seed(width)
    logits = torch.randn(40, width, generator=generator) * 4
    logits[0, -5:] += 50  # all entries after the last whole block
    logits[1, 256:261] += 50  # all in one block
    logits[2, :] = 1.5  # all equal
    tokens = torch.randint(width, (40,), generator=generator)
    exact = logits.double().log_softmax(-1)
    own, ids, logprobs, tail, _ = take_sparse_rows(logits.clone(), tokens, 5)
    np.testing.assert_allclose(own, exact[range(40), tokens], atol=2e-5)
    np.testing.assert_allclose(logprobs, exact.topk(5).values, atol=2e-5)
    np.testing.assert_allclose(logprobs, exact.gather(-1, ids), atol=2e-5)
    rest = exact.scatter(-1, ids, -torch.inf).logsumexp(-1)
    np.testing.assert_allclose(tail, rest, atol=2e-5)
    assert all(len(set(row)) == 5 for row in ids.tolist())


def test_a_sure_teachers_tail_is_not_noise() -> None:
    logits = torch.zeros(1, 4000)
    logits[0, 7] = 160.0
    tail = take_sparse_rows(logits, torch.tensor([7]), 5).tails
    assert tail.item() == pytest.approx(np.log(3995) - 160, abs=1e-4)


@pytest.mark.parametrize("top_p", [1.0, 0.7])
def test_draws_follow_the_distribution(top_p: float) -> None:
    probabilities = np.array([0.5, 0.25, 0.15, 0.1])
    logits = torch.tensor(np.log(probabilities) * 2)[None].expand(40_000, -1)
    numbers = torch.tensor(np.random.default_rng(0).random(40_000))
    drawn = draw_tokens(logits, numbers, Sampling(1, temperature=2.0, top_p=top_p))
    expected = probabilities if top_p == 1 else np.array([2 / 3, 1 / 3, 0, 0])
    shares = np.bincount(drawn.numpy(), minlength=4) / 40_000
    np.testing.assert_allclose(shares, expected, atol=0.01)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), min_size=1, max_size=40),
    st.integers(1, 9),
)
def test_batches_cover_everything_once(lengths: list[tuple[int, int]], rows: int) -> None:
    given_ = [Given((1,) * prompt, (2,) * text, "") for prompt, text in lengths]
    batches = list(batches_of(given_, rows=rows, tokens=80, positions=50))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= rows
        if len(batch) > 1:
            assert len(batch) * max(len(given_[i]) for i in batch) <= 80
            assert sum(len(given_[i].tokens) for i in batch) <= 50


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_new_tokens": 0}, "at least 1"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"top_p": 1.5}, r"top_p must be in \(0, 1\]"),
    ],
)
def test_sampling_refuses(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampling(**{"max_new_tokens": 5, **values})


def test_loading_refuses(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such directory"):
        load_teacher("./nowhere")
    with pytest.raises(TeacherError, match="no local directory, and the hub does not give it"):
        load_teacher("nobody/nothing")
    with pytest.raises(ConfigurationError, match="float8"):
        load_teacher(str(toys.gpt2()), dtype="float8")
    with pytest.raises(InputError, match="holds no model that can be read"):
        load_teacher(str(tmp_path))
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in toys.gpt2().iterdir():
        content = file.read_bytes()
        cut = len(content) // 2 if file.suffix == ".safetensors" else len(content)
        (damaged / file.name).write_bytes(content[:cut])
    with pytest.raises(InputError, match="cannot be read"):
        load_teacher(str(damaged))


def test_incomplete_weights_are_refused(tmp_path: Path) -> None:
    for file in toys.gpt2().iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(TeacherError, match="lacks 1 of its weights"):
        load_teacher(str(tmp_path))
