"""A real llama.cpp server as the teacher: its numbers are those of the same weights here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from specialize import datasets
from specialize.choosing import select_run
from specialize.config.recipe import Teacher as Settings
from specialize.config.yaml_files import build_recipe, record_recipe
from specialize.pipeline import evaluate_run
from specialize.quickstart import world
from specialize.quickstart.run import MODELS
from specialize.stages.recipe_stores import make_stores
from specialize.store import Store, verify
from specialize.teacher.local.teacher import load_teacher
from specialize.teacher.protocol import Sampling
from specialize.teacher.served import connect
from specialize.train import train
from tests.support import teacher_toys as toys

pytest.importorskip("xllamacpp", reason="the extra 'server' is not installed")
from tests.support.gguf_toys import serve, write_gguf
from tests.support.store_samples import topk_id, topk_logprob

TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("gguf") / "toy.gguf"
    with serve(write_gguf(toys.llama(), path, template=TEMPLATE)) as url:
        yield url


def settings_of(
    url: str, tokenizer: Path, *, kind: str = "llama.cpp", **values: object
) -> Settings:
    server = {"kind": kind, "urls": [url], "tokenizer": str(tokenizer), "concurrency": 1}
    return Settings.model_validate({"model": "toy", "server": server, **values})


def texts(count: int) -> tuple[list[str], list[str]]:
    """Prompts, and texts after them with characters of one to four bytes."""
    examples = toys.examples(count)
    prompts = [f"Q: {e.question}\nLet's think step by step\n" for e in examples]
    return prompts, [f"{e.rationale} é🍎\nThe answer is {e.answer}" for e in examples]


def test_scores_are_those_of_the_same_weights(llama: str) -> None:
    prompts, given = texts(80)
    sampling = Sampling(9, top_k=5)
    with connect(settings_of(llama, toys.llama(), mode="score")) as teacher:
        served = teacher.score(prompts, given, sampling)
    here = load_teacher(str(toys.llama()), device="cpu")
    here._model.double()  # so that what is measured is the server's rounding alone
    local = here.score(prompts, given, sampling)
    positions, apart = 0, 0.0
    for ours, theirs in zip(served, local, strict=True):
        assert ours.fault == ""
        rows = len(ours)
        assert ours.token_id[-1] == here.tokenizer.eos
        np.testing.assert_array_equal(ours.token_id, theirs.token_id)
        same = topk_id(ours) == topk_id(theirs)  # near ties may be in the other order
        assert np.abs(np.diff(topk_logprob(theirs)))[~same[:, 1:]].max(initial=0) < 1e-5
        positions += rows
        own = np.abs(ours.token_logprob - theirs.token_logprob)
        listed = np.abs(topk_logprob(ours) - topk_logprob(theirs))
        apart = max(apart, own.max(), listed.max())
        tails = np.exp(ours.distributions.tail) - np.exp(theirs.distributions.tail)
        assert np.abs(tails).max() < 1e-5
    print(f"{positions} positions, at most {apart:.2e} nats apart")
    assert positions >= 2000
    assert apart <= 1e-5


def test_a_text_is_scored_in_one_request(llama: str) -> None:
    """The end costs one of its own, as a token inside a character does; the rows are the same."""
    prompts, _ = texts(6)
    plain = [" ".join(f"She has {i + j} apples and {j} pears." for j in range(6)) for i in range(6)]
    sampling = Sampling(9, top_k=5)
    with connect(settings_of(llama, toys.llama(), mode="score")) as teacher:
        assert teacher.description.dtype == "served, (guessed) all F32"
        before, began = teacher.sent, time.process_time()
        scored = teacher.score(prompts, plain, sampling)
        assert teacher.sent - before == 2 * 6
        in_runs, began = time.process_time() - began, time.process_time()
        teacher._asker.dialect = teacher._asker.dialect.simpler()
        token_by_token = teacher.score(prompts, plain, sampling)
        rows, singly = sum(map(len, scored)), time.process_time() - began
        assert teacher.sent - before == 2 * 6 + rows
    print(f"{rows} rows: 12 requests, {in_runs:.2f} s; {rows} requests, {singly:.2f} s")
    for ours, theirs in zip(scored, token_by_token, strict=True):
        assert ours.fault == theirs.fault == ""
        np.testing.assert_array_equal(topk_id(ours), topk_id(theirs))
        np.testing.assert_allclose(ours.token_logprob, theirs.token_logprob, atol=1e-5)
        np.testing.assert_allclose(topk_logprob(ours), topk_logprob(theirs), atol=1e-5)


LOST = "the server counts other tokens than it returns"


@pytest.mark.parametrize("kind", ["openai", "openai-chat"])
def test_rows_in_the_form_of_openai(llama: str, kind: str) -> None:
    """Rendered by the server's template or not: the rows are those of the same weights."""
    prompts, _ = texts(24)
    with connect(settings_of(llama, toys.llama(), kind=kind)) as teacher:
        drawn = teacher.sample(prompts, list(range(24)), Sampling(6, top_k=5))
    local = load_teacher(str(toys.llama()), device="cpu")
    believed = 0
    for prompt, text in zip(prompts, drawn, strict=True):
        if text.fault:  # tokens inside a character have no rows of their own
            assert text.fault in ("one row for several tokens", LOST, "no log-probabilities")
            continue
        read = f"user: {prompt}\nassistant:" if kind == "openai-chat" else prompt
        rows = _rows_of(local, read, text.token_id.tolist())
        np.testing.assert_allclose(text.token_logprob, rows[0], atol=1e-5)
        np.testing.assert_allclose(topk_logprob(text), rows[1], atol=1e-5)
        believed += 1
    assert believed >= 4


def test_sampled_rows_are_those_of_the_same_weights(llama: str) -> None:
    """Also where the server leaves out the rows of tokens that end inside a character."""
    prompts, _ = texts(8)
    with connect(settings_of(llama, toys.llama())) as teacher:
        assert teacher.description.probe == {
            "kind": "llama.cpp", "answers_as": "toy", "entries": 5, "raw": True, "scores": True,
            "tokenizer": "same",
        }  # fmt: skip
        assert teacher.context == 256
        drawn = teacher.sample(prompts, list(range(8)), Sampling(32, temperature=0.8, top_k=5))
        again = teacher.sample(prompts, list(range(8)), Sampling(32, temperature=0.8, top_k=5))
    local = load_teacher(str(toys.llama()), device="cpu")
    pieces = local.tokenizer.vocabulary()
    partial = 0
    for prompt, text, same in zip(prompts, drawn, again, strict=True):
        assert text.fault == ""
        np.testing.assert_array_equal(text.token_id, same.token_id)
        partial += any(max(pieces.piece(t), default=0) >= 0x80 for t in text.token_id.tolist())
        rows = _rows_of(local, prompt, text.token_id.tolist())
        np.testing.assert_allclose(text.token_logprob, rows[0], atol=1e-5)
        np.testing.assert_allclose(topk_logprob(text), rows[1], atol=1e-5)
    assert partial > 0


def _rows_of(local: object, prompt: str, tokens: list[int]) -> tuple[np.ndarray, np.ndarray]:
    from specialize.teacher.local.score import Given, score_batch

    [head] = local.prompt_tokens([prompt])
    given = Given(head, tuple(tokens), "")
    [scored] = score_batch(local._model, [given], Sampling(1, top_k=5), positions=1024)
    return scored.token_logprob, topk_logprob(scored)


RECIPE = {
    "student": str(MODELS / "student"),
    "objectives": [
        {"name": "cot", "format": "zero-shot-cot", "target": "distribution", "teacher": "toy"}
    ],
    "training": {"checkpoint_every": 2},
    "optimization": {"steps": 4, "batch_rows": 4, "accumulation": 1},
}


def test_the_whole_way_from_dump_to_selection(tmp_path: Path) -> None:
    datasets.write_jsonl(tmp_path / "train.jsonl", world.examples("shop", "train", 12))
    for split in ("validation", "test"):
        datasets.write_jsonl(tmp_path / f"shop.{split}.jsonl", world.examples("shop", split, 3))
    path = write_gguf(MODELS / "teacher", tmp_path / "teacher.gguf")
    with serve(path) as url:
        teacher = settings_of(url, MODELS / "teacher", samples=3, max_new_tokens=60)
        values = {
            **RECIPE,
            "train_on": {"set": "jsonl", "path": str(tmp_path / "train.jsonl")},
            "teachers": {"toy": teacher.model_dump(mode="json")},
            "evaluation": {
                "max_new_tokens": 40,
                "sets": [{
                    "set": "jsonl", "name": "shop", "role": "in-distribution", "kind": "number",
                    "path": str(tmp_path / "shop.{split}.jsonl"), "protocol": "files",
                }],
            },
            "selection": "in-distribution",
        }  # fmt: skip
        recipe, run = build_recipe(values), tmp_path / "run"
        record_recipe(recipe, run)
        make_stores(recipe, run)
    assert train(recipe, run).as_json()["steps"] == 4
    evaluate_run(run, "validation")
    assert select_run(run, None)["selected_step"] in (0, 2, 4)
    responses = run / "responses" / "toy"
    store = Store.open(responses)
    assert len(store) == 36
    assert verify(responses).ok
    assert store.description.tail_is_complement
    assert store.description.settings["probe"]["kind"] == "llama.cpp"
    # the bundled teacher solves most of its world, through the server too
    assert store.summary["first_sample_accuracy"] > 0.5
    assert store.summary["pass@1"] > 0.5
    assert len(Store.open(run / "targets" / "toy")) == 36
