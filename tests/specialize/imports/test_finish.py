"""An imported text that a limit cut is neither finished nor correct; no end is taught unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.imports.finish import finish_of
from specialize.imports.vllm_json import import_json
from specialize.quickstart.run import MODELS
from specialize.records import Example
from specialize.store import Store
from specialize.teacher.protocol import ScoredText
from specialize.teacher.served.wire import BadReplyError
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support.import_forms import axolotl_two, chat_batch, completion, write_lines
from tests.support.scripted_teacher import ScriptedTeacher

TEACHER = str(MODELS / "teacher")
EXAMPLES = [Example("toy/0", "Ann has 3?", "7")]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(TEACHER)


@pytest.mark.parametrize(
    "word",
    ["length", "LENGTH", "max_tokens", "MAX_TOKENS", "model_length", "max_new_tokens",
     "max_output_tokens", "FINISH_REASON_MAX_TOKENS", "FinishReason.MAX_TOKENS",
     "model_context_window_exceeded", "content_filter", "SAFETY", "limit", "incomplete",
     {"type": "length", "length": 64}],
)  # fmt: skip
def test_words_for_a_limit(word: str | dict[str, object]) -> None:
    assert finish_of(word, [4, 2], [2]) == "length"


@pytest.mark.parametrize(
    "word",
    ["stop", "STOP", "end_turn", "eos", "eos_token", "stop_sequence", "COMPLETE", "tool_calls",
     {"type": "stop", "matched": 2}],
)  # fmt: skip
def test_words_for_an_end(word: str | dict[str, object]) -> None:
    assert finish_of(word, [4], [2]) == "stop"
    assert finish_of(word, [4, 2], [2]) == "eos"
    assert finish_of(word) == "stop"


def test_no_word() -> None:
    assert finish_of(None, [4, 3], [2, 3]) == "eos"
    assert finish_of(None, [4], [2, 3]) == finish_of(None) == finish_of("") == "given"


@pytest.mark.parametrize("word", ["because", 3, ["stop"], "null"])
def test_unknown_words(word: str | int | list[str]) -> None:
    with pytest.raises(BadReplyError, match="ended for an unknown reason"):
        finish_of(word)


def with_word(record: dict[str, object], word: str | None) -> dict[str, object]:
    body = record
    if "response" in record:
        response = record["response"]
        assert isinstance(response, dict)
        body = response["body"]
    if "choices" not in body:
        return record | {"finish_reason": word}
    choices = body["choices"]
    assert isinstance(choices, list)
    choices[0]["finish_reason"] = word
    return record


@pytest.mark.parametrize("form", [completion, chat_batch, axolotl_two])
@pytest.mark.parametrize(
    ("word", "ended", "finished", "correct"),
    [
        ("length", False, False, False),
        ("MAX_TOKENS", False, False, False),
        ("length", True, False, False),
        ("stop", False, True, True),
        (None, False, False, True),
        (None, True, True, True),
    ],
)
def test_a_cut_text_is_neither_finished_nor_correct(
    form: object, word: str | None, ended: bool, finished: bool, correct: bool,
    tokenizer: Tokenizer, tmp_path: Path,
) -> None:  # fmt: skip
    teacher = ScriptedTeacher(tokenizer, lambda prompt, turn: ("", "eos"))
    text: ScoredText = teacher.scored(
        "She has 3 + 4 = 7.\nThe answer is 7", "eos" if ended else "given", 4, 1
    )
    assert callable(form)
    source = write_lines(tmp_path / "r.jsonl", [{"id": "toy/0", **with_word(form(text), word)}])
    told = import_json(
        source, tmp_path / "s", tokenizer=TEACHER, teacher="b", top_k=4, examples=EXAMPLES
    )
    (sample,) = Store.open(tmp_path / "s")
    assert (sample.response.finished, sample.response.correct) == (finished, correct)
    cut = int(word is not None and word != "stop")
    assert (told["cut_by_length"], told["correct"], told["dropped"]) == (cut, int(correct), {})
    assert Store.open(tmp_path / "s").counts.get("cut by length", 0) == cut
