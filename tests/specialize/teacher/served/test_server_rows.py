"""Rows as servers really write them: replacement characters, padded ids, ids, ends, thinking."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from specialize.config.recipe import Teacher as Settings
from specialize.records import Response
from specialize.teacher.protocol import Sampling, ScoredText
from specialize.teacher.served import connect
from specialize.teacher.served.dialects import DIALECTS, Dialect, Speaker
from specialize.teacher.served.proof import PADDING, Proof
from specialize.teacher.served.wire import BadReplyError, Prompt, Reply
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.scripted_model import ScriptedModel, answer
from tests.support.scripted_server import Body, scripted
from tests.support.scripted_server import Reply as Wire
from tests.support.store_samples import topk_id, topk_logprob

PROMPT = "Q: Zoë?\n"


@pytest.fixture(scope="module")
def gpt2() -> Tokenizer:
    return load_tokenizer(toys.gpt2())


@pytest.fixture(scope="module", params=["special", "plain"])
def turns(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A tokenizer with three ends, of which that of the template is special or plain text."""
    folder = tmp_path_factory.mktemp("turns")
    return load_tokenizer(toys.with_turns(folder, special=request.param == "special"))


def dialect_of(kind: str, tokenizer: Tokenizer) -> Dialect:
    return DIALECTS[kind](Speaker("m", tokenizer))


def believed(kind: str, tokenizer: Tokenizer, body: object, top_k: int = 1) -> ScoredText:
    [reply] = dialect_of(kind, tokenizer).replies(body, 1)
    return Proof(tokenizer, top_k, tokenizer.size).believe(reply)


def completion(tokens: list[str], rows: list[dict[str, float]], **more: object) -> Body:
    listed = {
        "tokens": tokens, "top_logprobs": rows,
        "token_logprobs": [row[token] for token, row in zip(tokens, rows, strict=True)],
    }  # fmt: skip
    choice = {"index": 0, "text": "".join(tokens), "finish_reason": "length", "logprobs": listed}
    return {"model": "m", "choices": [{**choice, **more}]}


def chat(rows: list[Body], text: str, **more: object) -> Body:
    choice = {
        "index": 0, "message": {"content": text}, "finish_reason": "length",
        "logprobs": {"content": rows},
    }  # fmt: skip
    return {"model": "m", "choices": [{**choice, **more}]}


def entry(token: str, logprob: float, **more: object) -> Body:
    return {"token": token, "logprob": logprob, **more}


# ---- a replacement character is no token -----------------------------------------------------

HALF = b"\xc3"  # the first byte of many a character


def half(tokenizer: Tokenizer) -> int:
    return next(t for t in range(tokenizer.size) if tokenizer.pieces([t])[0] == HALF)


@pytest.mark.parametrize(
    "row",
    [
        {"a": -0.3, "\ufffd": -1.6},
        {"a": -0.3, " \ufffd": -1.6},
        {"a": -0.3, "\ufffd\ufffd": -1.6},
        {"a": -0.3, "é\ufffd": -1.6},
        {"\ufffd": -0.3, "a": -1.6},
    ],
)
def test_a_replacement_character_is_never_looked_up(gpt2: Tokenizer, row: dict[str, float]) -> None:
    with pytest.raises(BadReplyError, match="a replacement character"):
        believed("openai", gpt2, completion(["a"], [row]))


@pytest.mark.parametrize(
    ("token", "more"),
    [
        ("\ufffd", {"bytes": list(HALF)}),
        ("\ufffd", {"id": None, "bytes": list(HALF)}),
        ("bytes:\\xc3", {}),
        ("\ufffd", {"id": "half"}),
        ("\ufffd", {"id": "half", "bytes": [239, 191, 189]}),
        ("\ufffd", {"token_id": "half"}),
    ],
)
def test_bytes_and_ids_name_a_part_of_a_character(
    gpt2: Tokenizer, token: str, more: dict[str, object]
) -> None:
    more = {key: half(gpt2) if value == "half" else value for key, value in more.items()}
    row = {**entry("a", -0.3), "top_logprobs": [entry("a", -0.3), entry(token, -1.6, **more)]}
    text = believed("openai-chat", gpt2, chat([row], "a"), top_k=2)
    assert topk_id(text)[0, 1] == half(gpt2)


@pytest.mark.parametrize("bytes_", [[239, 191, 189], [32, 239, 191, 189], None])
def test_bytes_of_the_replacement_itself_name_nothing(gpt2: Tokenizer, bytes_: object) -> None:
    row = {
        **entry("a", -0.3),
        "top_logprobs": [entry("a", -0.3), entry("\ufffd", -1.6, bytes=bytes_)],
    }
    with pytest.raises(BadReplyError, match="a replacement character"):
        believed("openai-chat", gpt2, chat([row], "a"))


# ---- models wider than their tokenizers ------------------------------------------------------


@pytest.mark.parametrize("beyond", [0, 1, 63, 399, 1069])
def test_entries_with_padded_ids_join_the_tail(gpt2: Tokenizer, beyond: int) -> None:
    padded = gpt2.size + beyond
    reply = Reply((5,), (-0.5,), (((5, -0.5), (padded, -1.5), (6, -2.5)),), None, "length")
    text = Proof(gpt2, 3, gpt2.size).believe(reply)
    assert text.distributions.ids.tolist() == [5, 6]
    rest = 1 - math.exp(-0.5) - math.exp(-2.5)
    assert text.distributions.tail[0] == pytest.approx(math.log(rest), abs=1e-6)


@pytest.mark.parametrize("token", [-1, 360 + PADDING, 99_999])
def test_ids_of_no_model_are_refused(gpt2: Tokenizer, token: int) -> None:
    assert gpt2.size == 360
    with pytest.raises(BadReplyError, match="an id outside the vocabulary"):
        Proof(gpt2, 1, gpt2.size).believe(
            Reply((5,), (-0.5,), (((5, -0.5), (token, -1.5)),), None, "length")
        )


def test_a_written_padded_id_spells_nothing(gpt2: Tokenizer) -> None:
    with pytest.raises(BadReplyError, match="an id outside the vocabulary"):
        Proof(gpt2, 1, gpt2.size).believe(
            Reply((gpt2.size,), (-0.5,), (((gpt2.size, -0.5),),), None, "length")
        )


@pytest.mark.parametrize("kind", ["vllm", "vllm-tokens", "sglang", "llama.cpp"])
def test_a_padded_model_is_a_teacher(gpt2: Tokenizer, kind: str) -> None:
    """The same texts and rows as without padding, but for the mass of the padded entry."""

    class Padded(ScriptedModel):
        def row(self, context):  # the third candidate is a padded id
            row = list(super().row(context))
            row[2] = (self.tokenizer.size + 3, row[2][1])
            return tuple(row)

        def draw(self, prompt, seed, temperature, most):
            return ScriptedModel.draw(Narrow(self.tokenizer), prompt, seed, temperature, most)

    class Narrow(ScriptedModel):
        def row(self, context):
            row = super().row(context)
            return (*row[:2], *row[3:5], row[1])

    wide = Padded(gpt2)
    with scripted(lambda path, body, turn: Wire(answer(wide, path, body))) as server:
        settings = settings_of(kind, server.url, toys.gpt2())
        with connect(settings) as teacher:
            [text] = teacher.sample([PROMPT], [4], Sampling(9, top_k=5))
    assert text.fault == ""
    assert len(text) > 0
    assert topk_id(text).max() < gpt2.size
    head = gpt2.encode(PROMPT)
    for i in range(len(text)):
        row = wide.row([*head, *text.token_id[:i].tolist()])[:5]
        kept = [(t, v) for t, v in row if t < gpt2.size]
        assert topk_id(text)[i, :4].tolist() == [t for t, _ in kept]
        np.testing.assert_allclose(topk_logprob(text)[i, :4], [v for _, v in kept], rtol=1e-5)
        mass = np.exp(topk_logprob(text)[i]).sum()  # llama.cpp lists more where it must
        assert math.exp(text.distributions.tail[i]) == pytest.approx(1 - mass, abs=1e-5)


def settings_of(kind: str, url: str, tokenizer: Path, **values: object) -> Settings:
    server = {"kind": kind, "urls": [url], "tokenizer": str(tokenizer), "retry_seconds": 2}
    return Settings.model_validate({"model": "scripted", "server": server, **values})


# ---- ids beside tokens -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["openai", "openai-chat"])
def test_ids_are_taken_where_they_are_given(gpt2: Tokenizer, kind: str) -> None:
    """llama.cpp in OpenAI's form: the end is an id without a text, and is kept with its row."""
    model = ScriptedModel(gpt2, shows_ids=True)
    with (
        scripted(lambda path, body, turn: Wire(answer(model, path, body))) as server,
        connect(settings_of(kind, server.url, toys.gpt2())) as teacher,
    ):
        texts = teacher.sample([PROMPT] * 40, list(range(40)), Sampling(40, top_k=5))
    head, ended = gpt2.encode(PROMPT), 0
    for seed, text in enumerate(texts):
        tokens, finish = model.draw(head, seed, 1.0, 40)
        assert text.fault == ""
        assert text.token_id.tolist() == tokens
        assert text.finish == ("eos" if finish == "stop" else "length")
        ended += finish == "stop"
    assert ended > 0


def test_ids_win_over_texts_that_several_tokens_have(gpt2: Tokenizer) -> None:
    row = {**entry("", -0.3, id=7), "top_logprobs": [entry("", -0.3, id=7), entry("", -2, id=9)]}
    [reply] = dialect_of("openai-chat", gpt2).replies(chat([row], ""), 1)
    assert reply.tokens == (7,)
    assert reply.entries == (((7, -0.3), (9, -2)),)


def test_ids_and_tokens_of_one_choice_agree(gpt2: Tokenizer) -> None:
    row = {**entry("token_id:7", -0.3), "top_logprobs": [entry("token_id:7", -0.3)]}
    body = chat([row], "", token_ids=[8])
    with pytest.raises(BadReplyError, match="entries are not those of the tokens"):
        dialect_of("vllm-chat", gpt2).replies(body, 1)


@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("counted", [None, 0, 1])
def test_one_row_for_several_tokens_is_refused(
    gpt2: Tokenizer, end: bool, counted: int | None
) -> None:
    """llama.cpp leaves out the row of a token that ends inside a character."""
    tokens = gpt2.encode("So é")
    assert gpt2.pieces(tokens[-2:]) == [b"\xc3", b"\xa9"]
    rows = spelled(gpt2, "So é", end=end)
    del rows[len(tokens) - 2]
    rows[len(tokens) - 2]["bytes"] = [0xC3, 0xA9]
    body = chat(rows, "So é", finish_reason="stop" if end else "length")
    if counted is not None:
        body["usage"] = {"completion_tokens": len(rows) + counted}
    with pytest.raises(BadReplyError, match=r"one row for several tokens|counts other tokens"):
        dialect_of("openai-chat", gpt2).replies(body, 1)


# ---- ends ------------------------------------------------------------------------------------

BY_ID = ("vllm", "vllm-tokens", "vllm-chat", "sglang", "llama.cpp")


@dataclass(frozen=True)
class Ending(ScriptedModel):
    """Letters, and after five of them the ends in turn."""

    def row(self, context: Sequence[int]) -> tuple[tuple[int, float], ...]:
        letters = [self.tokenizer.encode(letter)[0] for letter in "abcdefgh"]
        ends = list(self.tokenizer.ends) if len(context) % 6 == 0 else []
        ids = [*ends, *letters][:8]
        return tuple(zip(ids, (value for _, value in super().row(context)), strict=True))


@pytest.mark.parametrize("kind", BY_ID)
def test_every_end_is_the_end_with_its_own_row(turns: Tokenizer, kind: str) -> None:
    model, dialect = Ending(turns), dialect_of(kind, turns)
    head, met = tuple(turns.encode(PROMPT)), set()
    for seed in range(60):
        request = dialect.ask(Prompt(PROMPT, head), Sampling(60, top_k=5), seed, 1)
        [reply] = dialect.replies(answer(model, request.path, dict(request.body)), 1)
        tokens, finish = model.draw(list(head), seed, 1.0, 60)
        assert list(reply.tokens) == tokens
        assert reply.finish == ("eos" if finish == "stop" else "length")
        if finish == "length":
            continue
        met.add(tokens[-1])
        text = Proof(turns, 5, turns.size).believe(reply)
        assert text.text == turns.decode(tokens[:-1])
        own = model.logprob([*head, *tokens[:-1]], tokens[-1])
        assert text.token_logprob[-1] == pytest.approx(own, abs=1e-5)
    assert len(turns.ends) == 3
    assert met == set(turns.ends)


@pytest.mark.parametrize(
    ("kind", "more"),
    [("vllm", {"stop_reason": 9}), ("vllm-chat", {"stop_reason": 9})],
)
def test_an_end_that_only_the_server_knows(
    gpt2: Tokenizer, kind: str, more: dict[str, object]
) -> None:
    assert 9 not in gpt2.ends
    tokens = ["token_id:5", "token_id:9"]
    rows = [{token: -0.5} for token in tokens]
    body = completion(tokens, rows, text="", finish_reason="stop", **more)
    assert dialect_of(kind, gpt2).replies(body, 1)[0].finish == "eos"
    body["choices"][0]["stop_reason"] = None
    assert dialect_of(kind, gpt2).replies(body, 1)[0].finish == "stop"


@pytest.mark.parametrize("kind", BY_ID)
def test_a_text_that_was_cut_is_not_finished(turns: Tokenizer, kind: str) -> None:
    """Whatever its last token is."""
    model, dialect = Ending(turns), dialect_of(kind, turns)
    head = tuple(turns.encode(PROMPT))
    for seed in range(40):
        request = dialect.ask(Prompt(PROMPT, head), Sampling(60, top_k=5), seed, 1)
        body = answer(model, request.path, dict(request.body))
        cut = _said_to_be_cut(body)
        [reply] = dialect.replies(cut, 1)
        assert reply.finish == "length"


def _said_to_be_cut(body: Body) -> Body:
    for choice in body.get("choices", ()):
        choice["finish_reason"] = "length"
    if "meta_info" in body:
        body["meta_info"]["finish_reason"] = {"type": "length", "length": 60}
    if "stop_type" in body:
        body["stop_type"] = "limit"
    return body


# ---- thinking --------------------------------------------------------------------------------


def spelled(tokenizer: Tokenizer, text: str, *, end: bool = True) -> list[Body]:
    """Rows of a chat for the tokens of ``text``, and for the end of sequence."""
    tokens = tokenizer.encode(text) + ([tokenizer.eos] if end else [])
    rows = []
    for token in tokens:
        piece = tokenizer.pieces([token])[0]
        named = entry(piece.decode("utf-8", "replace"), -0.3, bytes=list(piece), id=token)
        rows.append({**named, "top_logprobs": [named]})
    return rows


THOUGHT, TEXT = "He has 3 + 4 = 7. The answer is 7?", "Seven.\nThe answer is 7"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize(
    ("written", "content"),
    [
        (TEXT, TEXT),  # the thinking has no rows
        (f"<think>{THOUGHT}</think>{TEXT}", TEXT),
        (f"<think>\n{THOUGHT}\n</think>\n\n{TEXT}", TEXT),
        (f"<think>\n{THOUGHT}\n</think>\n\n{TEXT}", f"\n\n{TEXT}"),
        (f"{THOUGHT} {TEXT}", TEXT),
        (f"<think>{TEXT} {THOUGHT}</think>{TEXT}", TEXT),
    ],
)
def test_thinking_is_kept_apart(gpt2: Tokenizer, field: str, written: str, content: str) -> None:
    message = {"content": content, field: f"{THOUGHT}\n"}
    body = chat(spelled(gpt2, written), content, message=message, finish_reason="stop")
    text = believed("openai-chat", gpt2, body)
    assert text.text.strip(" \n>") == TEXT
    assert text.thinking.strip() == THOUGHT
    assert text.finish == "eos"
    assert len(text) < len(gpt2.encode(TEXT)) + 4
    assert gpt2.decode(text.token_id.tolist()).strip(" \n>") == TEXT


def test_rows_of_thinking_are_kept_where_they_are_wanted(gpt2: Tokenizer) -> None:
    """Held against the same rules; without them only the text's rows are."""
    written = f"<think>\n{THOUGHT}\n</think>\n\n{TEXT}"
    message = {"content": TEXT, "reasoning_content": THOUGHT}
    rows = spelled(gpt2, written)

    def told(keeps: bool, damage: bool) -> ScoredText:
        made = [dict(row) for row in rows]
        if damage:  # of the thinking's second row
            made[1] |= {"logprob": -0.1}
        body = chat(made, TEXT, message=message, finish_reason="stop")
        [reply] = dialect_of("openai-chat", gpt2).replies(body, 1)
        return Proof(gpt2, 1, gpt2.size, keeps_thinking=keeps).believe(reply)

    kept, left = told(True, False), told(False, True)
    assert left.thought is None
    assert kept.text == left.text
    assert kept.thought is not None
    ids = [*gpt2.encode(written), gpt2.eos]
    assert [*kept.thought.token_id.tolist(), *kept.token_id.tolist()] == ids
    assert (kept.thought.token_logprob == np.float32(-0.3)).all()
    response = Response("e", 0, "Q", kept.text, thinking=kept.thinking)
    sample = kept.after_thought(kept.sample(response))
    assert sample.token_id.tolist() == ids
    assert sample.response.thinking_tokens == len(kept.thought)
    with pytest.raises(BadReplyError, match="a token and its entry differ"):
        told(True, True)


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_thinking_that_was_cut_has_no_text(gpt2: Tokenizer, content: str | None) -> None:
    message = {"content": content, "reasoning_content": THOUGHT}
    body = chat(spelled(gpt2, f"<think>\n{THOUGHT}", end=False), "", message=message)
    text = believed("openai-chat", gpt2, body)
    assert (text.text, len(text), text.finish, text.thinking) == ("", 0, "length", THOUGHT)


@pytest.mark.parametrize(
    "written", ["Eight.", f"{THOUGHT} Eight.", f"Something else. {TEXT}", f"{THOUGHT} Seven."]
)
def test_thinking_does_not_excuse_other_tokens(gpt2: Tokenizer, written: str) -> None:
    message = {"content": TEXT, "reasoning": THOUGHT}
    body = chat(spelled(gpt2, written), TEXT, message=message)
    with pytest.raises(BadReplyError, match="the text is not what the tokens spell"):
        believed("openai-chat", gpt2, body)


def test_hidden_reasoning_is_not_counted_as_missing(gpt2: Tokenizer) -> None:
    body = chat(spelled(gpt2, TEXT), TEXT, finish_reason="stop")
    count = len(gpt2.encode(TEXT)) + 1
    for hidden, fault in ((40, False), (20, True)):
        body["usage"] = {
            "completion_tokens": count + 40,
            "completion_tokens_details": {"reasoning_tokens": hidden},
        }
        dialect = dialect_of("openai-chat", gpt2)
        if fault:
            with pytest.raises(BadReplyError, match="counts other tokens"):
                dialect.replies(body, 1)
        else:
            assert len(dialect.replies(body, 1)) == 1
