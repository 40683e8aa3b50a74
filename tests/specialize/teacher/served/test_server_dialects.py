"""Every kind of server: the same texts with the same rows, whatever words they come in."""

from __future__ import annotations

import base64
import copy
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align import from_padded
from specialize.config.recipe import Teacher as Settings
from specialize.records import Response
from specialize.store import StoreDescription, shard_of
from specialize.store.arrays import shard_arrays
from specialize.teacher.protocol import Sampling, ScoredText
from specialize.teacher.served import ServedTeacher, connect
from specialize.teacher.served.dialects import DIALECTS, Speaker
from specialize.teacher.served.exchange import read_raw
from specialize.teacher.served.proof import Proof
from specialize.teacher.served.wire import BadReplyError, Prompt
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.scripted_model import ScriptedModel, answer
from tests.support.scripted_server import Body, Reply, Server, scripted
from tests.support.store_samples import topk_id, topk_logprob

KINDS = ("vllm", "vllm-tokens", "sglang", "llama.cpp", "openai", "openai-chat", "vllm-chat")
SCORING = KINDS[:4]
PROMPTS = ["Q: Tom has 3 apples.\n", "Q: Zoë reads.\n", "Q: Zoë reads.\n"]


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(load_tokenizer(toys.gpt2()))


def settings_of(kind: str, url: str, **values: object) -> Settings:
    server = {"kind": kind, "urls": [url], "tokenizer": str(toys.gpt2()), "retry_seconds": 5}
    server |= values.pop("server", {})
    return Settings.model_validate({"model": "scripted", "server": server, **values})


@contextmanager
def served(
    model: ScriptedModel, kind: str, **values: object
) -> Iterator[tuple[ServedTeacher, Server]]:
    with (
        scripted(lambda path, body, turn: Reply(answer(model, path, body))) as server,
        connect(settings_of(kind, server.url, **values)) as teacher,
    ):
        yield teacher, server


def expected(model: ScriptedModel, prompt: str, tokens: list[int], k: int) -> ScoredText:
    head = model.tokenizer.encode(prompt)
    contexts = [[*head, *tokens[:i]] for i in range(len(tokens))]
    rows = [model.row(context)[:k] for context in contexts]
    logprobs = np.array([[value for _, value in row] for row in rows], np.float32)
    return ScoredText(
        model.tokenizer.decode(tokens),
        np.array(tokens, np.int32),
        np.array([model.logprob(c, t) for c, t in zip(contexts, tokens, strict=True)], np.float32),
        from_padded(
            np.array([[token for token, _ in row] for row in rows], np.int32),
            logprobs,
            np.log1p(-np.exp(logprobs.astype(np.float64)).sum(1)),
        ),
        "given",
    )


def assert_same(found: ScoredText, wanted: ScoredText) -> None:
    assert found.fault == ""
    assert found.text == wanted.text
    np.testing.assert_array_equal(found.token_id, wanted.token_id)
    np.testing.assert_array_equal(topk_id(found), topk_id(wanted))
    for ours, theirs in (
        (found.token_logprob, wanted.token_logprob),
        (found.distributions.logprobs, wanted.distributions.logprobs),
        (found.distributions.tail, wanted.distributions.tail),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_sampled_texts_and_rows(model: ScriptedModel, kind: str) -> None:
    with served(model, kind, temperature=0.7) as (teacher, _):
        sampling = Sampling(9, temperature=0.7, top_k=5)
        found = teacher.sample(PROMPTS, [3, 4, 5], sampling)
        assert teacher.description.tail == "complement"
    for prompt, seed, text in zip(PROMPTS, (3, 4, 5), found, strict=True):
        tokens, end = model.draw(model.tokenizer.encode(prompt), seed, 0.7, 9)
        if end == "stop" and kind.startswith("openai"):
            tokens = tokens[:-1]
        assert_same(text, expected(model, prompt, tokens, 5))
        assert text.finished == (end == "stop")
    assert found[1].text != found[2].text


@pytest.mark.parametrize("kind", SCORING)
def test_given_texts_get_the_same_rows(model: ScriptedModel, kind: str) -> None:
    texts = ["He has é🍎 7.", "She.", "The answer is 12"]
    with served(model, kind, mode="score") as (teacher, _):
        found = teacher.score(PROMPTS, texts, Sampling(9, top_k=5))
    for prompt, said, text in zip(PROMPTS, texts, found, strict=True):
        tokens = [*model.tokenizer.encode(said), model.tokenizer.eos]
        assert_same(text, replace(expected(model, prompt, tokens, 5), text=said))
        assert text.finish == "given"


@pytest.mark.parametrize(("spare", "added"), [(2, True), (1, False)])
def test_a_given_text_has_no_end_where_the_context_is_full(
    model: ScriptedModel, monkeypatch: pytest.MonkeyPatch, spare: int, added: bool
) -> None:
    """A server that scores a text writes one token after it, so the end needs room for two."""
    ids = model.tokenizer.encode("She.")
    context = len(model.tokenizer.encode(PROMPTS[1])) + len(ids) + spare
    with served(model, "vllm", mode="score") as (teacher, _):
        monkeypatch.setattr(ServedTeacher, "context", context)
        [found] = teacher.score(PROMPTS[1:2], ["She."], Sampling(9, top_k=5))
    assert found.token_id.tolist() == [*ids, *([model.tokenizer.eos] if added else [])]
    assert found.text == "She."


@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_text_ends_what_is_kept(model: ScriptedModel, kind: str) -> None:
    """The token in which it begins is the first gone, and its row becomes that of the end."""
    with served(model, kind) as (teacher, server):
        [whole] = teacher.sample(["Q: Tom"], [2], Sampling(12))
        pieces = model.tokenizer.pieces(whole.token_id.tolist())
        at = next(i for i in range(3, len(pieces)) if pieces[i].isalpha() and (
            pieces[i] not in b"".join(pieces[:i])))  # fmt: skip
        stop = pieces[at].decode()
        [cut] = teacher.sample(["Q: Tom"], [2], Sampling(12, stop=("never", stop)))
        asked = server.requests[-1][1]
    assert cut.finish == "stop"
    assert cut.token_id.tolist() == [*whole.token_id[:at].tolist(), model.tokenizer.eos]
    np.testing.assert_array_equal(topk_logprob(cut), topk_logprob(whole)[: at + 1])
    if "logit_bias" not in asked:
        assert asked.get("sampling_params", asked)["stop"] == ["never", stop]


# ---- ids that are chosen by position ---------------------------------------------------------


@dataclass(frozen=True)
class Heated(ScriptedModel):
    """Rows after temperature."""

    heat: float = 1.0

    def row(self, context: Sequence[int]) -> tuple[tuple[int, float], ...]:
        return tuple((token, value / self.heat) for token, value in super().row(context))


@pytest.mark.parametrize("matrix", ["right", "none", "wrong", "refused"])
def test_sampled_ids_are_scored_as_a_matrix(model: ScriptedModel, matrix: str) -> None:
    """Where the server has it; else as any given text. The rows are the same."""

    def says(path: str, body: Body, turn: int) -> Reply:
        sampling = body.get("sampling_params", {})
        heat = 1.0 if "prompt_logprobs" in sampling else float(sampling.get("temperature", 1))
        value = answer(Heated(model.tokenizer, heat=heat), path, body)
        if "prompt_logprob_token_ids" in sampling and matrix != "right":
            value["prompt_token_id_logprobs"] = "bm9uZQ==" if matrix == "wrong" else None
            return Reply({}, status=400) if matrix == "refused" else Reply(value)
        return Reply(value)

    with scripted(says) as server:
        settings = settings_of("vllm-tokens", server.url, temperature=0.7)
        with connect(settings) as teacher:
            assert teacher.description.probe["raw"] is False
            first = len(server.requests)
            texts = teacher.sample(PROMPTS, [3, 4, 5], Sampling(9, temperature=0.7, top_k=5))
            asked = [body["sampling_params"] for _, body, _ in server.requests[first:]]
    for prompt, text in zip(PROMPTS, texts, strict=True):
        assert_same(text, expected(model, prompt, text.token_id.tolist(), 5))
    whole = sum("prompt_logprobs" in body for body in asked)
    assert whole == (0 if matrix == "right" else 3)


def npy(values: object, kind: str = "<f4") -> str:
    file = io.BytesIO()
    np.save(file, np.array(values, kind))
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        (None, "no log-probabilities"),
        ("", "not in the form"),
        ("!", "not in the form"),
        (base64.b64encode(b"\x93NUMPY").decode(), "not in the form"),
        (npy([[{}, {}]], "O"), "not in the form .*prompt_token_id_logprobs"),
        (npy([[-0.5, -2.0]], "<f8"), "entries are not those"),
        (npy([-0.5, -2.0]), "entries are not those"),
        (npy([[-0.5]]), "entries are not those"),
        (npy([[-0.5, -2.0], [-0.5, -2.0]]), "entries are not those"),
        (npy([[float("nan"), -2.0]]), "not finite"),
        (npy([[0.5, -2.0]]), "above 0"),
        (npy([[-0.1, -0.1]]), "a mass above 1"),
        (3, "not in the form .*prompt_token_id_logprobs: Input should be a valid string"),
    ],
)
def test_a_wrong_matrix_is_refused(model: ScriptedModel, matrix: object, reason: str) -> None:
    dialect = DIALECTS["vllm-tokens"](Speaker("scripted", model.tokenizer))
    part = dialect.ask_chosen((1, 2), (5,), ((5, 6),))
    assert part is not None
    body = {"choices": [], "prompt_token_id_logprobs": matrix}
    with pytest.raises(BadReplyError, match=reason):
        Proof(model.tokenizer, 2, model.tokenizer.size).believe(dialect.scores_of(body, part))


# ---- whatever comes back ---------------------------------------------------------------------

WRONG = [None, True, -1, 0, 3, 10**400, -9999.0, 0.5, float("nan"), "", "x", "token_id:3", [], {}]


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The path of everything inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if (
        isinstance(value, list)) else ()  # fmt: skip
    return [p for key, one in inner for p in ((*path, key), *places(one, (*path, key)))]


def mutated(value: object, draw: np.random.Generator) -> object:
    """A copy of an answer with one to three values replaced, removed or doubled."""
    changed = copy.deepcopy(value)
    for _ in range(int(draw.integers(1, 4))):
        found = places(changed)
        if not found:
            return changed
        *way, last = found[int(draw.integers(len(found)))]
        holder = changed
        for key in way:
            holder = holder[key]
        what = int(draw.integers(4))
        if what == 0 or (what == 3 and isinstance(holder, dict)):
            holder[last] = WRONG[int(draw.integers(len(WRONG)))]
        elif what == 1:
            del holder[last]
        elif what == 2:
            others = places(changed)
            *source, key = others[int(draw.integers(len(others)))]
            other = changed
            for step in source:
                other = other[step]
            holder[last] = copy.deepcopy(other[key])
        else:
            holder.insert(last, copy.deepcopy(holder[last]))
    return changed


@settings(max_examples=int(os.environ.get("SPECIALIZE_FUZZ_EXAMPLES", "60")))
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(KINDS), scoring=st.booleans())
def test_a_damaged_answer_is_refused_or_harmless(seed: int, kind: str, scoring: bool) -> None:
    """No answer raises anything but its reason; what is believed keeps the rules of a store."""
    model = ScriptedModel(load_tokenizer(toys.gpt2()))
    dialect = DIALECTS[kind](Speaker("scripted", model.tokenizer))
    proof = Proof(model.tokenizer, 5, model.tokenizer.size)
    head = tuple(model.tokenizer.encode("Q: Zoë?"))
    if scoring and dialect.scores:
        part = dialect.ask_scores(head, tuple(model.tokenizer.encode("é 12")), 5)[0]
        request, read = part.request, lambda body: [dialect.scores_of(body, part)]
    else:
        request = dialect.ask(Prompt("Q: Zoë?", head), Sampling(5, top_k=5), seed, 1)
        read = lambda body: dialect.replies(body, 1)  # noqa: E731
    whole = answer(model, request.path, dict(request.body))
    raw = json.dumps(mutated(whole, np.random.default_rng(seed))).encode()
    try:
        texts = read_raw(raw, lambda body: [
            proof.believe(reply) for reply in read(body) if not reply.unscored
        ])  # fmt: skip
    except BadReplyError:
        return
    for text in texts:
        response = Response("q", 0, "", text.text)
        sample = text.sample(response)
        description = StoreDescription(
            kind="responses", teacher="t", tokenizer="t", fingerprint="f",
            vocabulary_size=model.tokenizer.size, k=5, settings={"tail": "complement"},
        )  # fmt: skip
        shard_arrays(shard_of([sample]), np.zeros(2, np.int64), description)
