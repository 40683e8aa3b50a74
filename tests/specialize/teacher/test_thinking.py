"""What was thought is kept as text; what is said keeps its tokens, rows and end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from align.sparse import one_hot
from specialize.config.yaml_files import build_teacher
from specialize.records import ChatPrompt, Message
from specialize.store import Store
from specialize.teacher.dump import dump
from specialize.teacher.local.teacher import load_teacher
from specialize.teacher.protocol import Sampling, ScoredText
from specialize.teacher.thinking import opens_thinking, without_thinking
from specialize.tokens import Tokenizer, load_tokenizer
from specialize.tokens.chat_template import ChatTemplate
from tests.support import teacher_toys as toys

THOUGHT = "<think>\n3 + 4? é\n</think>\n\n"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(toys.chat())


def written(tokenizer: Tokenizer, text: str, *, ended: bool = True) -> ScoredText:
    end = [tokenizer.turn_end] if ended else []
    ids = np.array(tokenizer.encode(text) + end, np.int32)
    finish = "eos" if ended else "length"
    return ScoredText(text, ids, -np.arange(len(ids), dtype=np.float32), one_hot(ids), finish)


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize(
    ("opened", "text", "said", "thinking"),
    [
        (False, THOUGHT + "The answer is 7", "The answer is 7", "3 + 4? é"),
        (True, "3 + 4?\n</think>\nThe answer is 7", "The answer is 7", "3 + 4?"),
        (False, "The answer is 7", "The answer is 7", ""),
        (False, THOUGHT, "", "3 + 4? é"),
    ],
)
def test_what_is_said_keeps_its_rows(
    tokenizer: Tokenizer, opened: bool, text: str, said: str, thinking: str, ended: bool
) -> None:
    whole = written(tokenizer, text, ended=ended)
    found = without_thinking(whole, tokenizer, opened=opened)
    assert (found.text.strip(), found.thinking, found.finish) == (said, thinking, whole.finish)
    expected = [*tokenizer.encode(found.text), *[tokenizer.turn_end] * ended]
    assert found.token_id.tolist() == expected
    start = len(whole) - len(expected)
    np.testing.assert_array_equal(found.token_logprob, whole.token_logprob[start:])
    np.testing.assert_array_equal(found.distributions.ids, expected)


@pytest.mark.parametrize(("opened", "text"), [(False, "<think>3 + 4 ..."), (True, "3 + 4 ...")])
def test_a_block_that_is_never_closed_says_nothing(
    tokenizer: Tokenizer, opened: bool, text: str
) -> None:
    found = without_thinking(written(tokenizer, text), tokenizer, opened=opened)
    assert (found.text, len(found), found.finished) == ("", 0, False)
    assert found.thinking.endswith("3 + 4 ...")


def test_a_template_that_opens_a_block(tokenizer: Tokenizer) -> None:
    asked = ChatPrompt((Message("user", "Say <think>."),))
    assert not opens_thinking(asked, tokenizer)
    for opening, opens in (("<think>\n", True), ("<think>\n\n</think>\n\n", False)):
        source = (
            "{{ messages[0].content }}{% if add_generation_prompt %}A:" + opening + "{% endif %}"
        )
        assert opens_thinking(asked, replace(tokenizer, chat=ChatTemplate(source))) is opens


def test_a_dump_stores_thinking_beside_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = load_teacher(str(toys.chat()))
    texts = [THOUGHT + "The answer is 7", "<think>3 + 4 ..."]

    def sample(prompts: list[object], seeds: list[int], settings: Sampling) -> list[ScoredText]:
        return [written(teacher.tokenizer, text) for text in texts]

    monkeypatch.setattr(teacher, "sample", sample)
    settings = build_teacher(
        {"model": "toy", "format": "chat-cot", "samples": 2, "top_logprobs": 1}, ()
    )
    asked = toys.examples(1)
    summary = dump(teacher, asked, tmp_path / "store", settings)
    first, second = (Store.open(tmp_path / "store")[asked[0].id, i].response for i in range(2))
    assert (first.text, first.thinking, first.correct) == ("The answer is 7", "3 + 4? é", True)
    assert (second.text, second.finished, second.correct) == ("", False, False)
    assert summary.dropped == {"cut by length": 1}


def test_rationales_are_asked_of_a_chat_teacher_in_one_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = load_teacher(str(toys.chat()))
    text = THOUGHT + "He has 3 + 4 = 7 apples. So the answer is 7."
    monkeypatch.setattr(teacher, "sample", lambda *_: [written(teacher.tokenizer, text)])
    settings = build_teacher(
        {"model": "toy", "mode": "rationale", "format": "chat-cot", "top_logprobs": 1,
         "chat": {"system": "Explain."}}, (),
    )  # fmt: skip
    asked = toys.examples(1)
    dump(teacher, asked, tmp_path / "store", settings)
    found = Store.open(tmp_path / "store")[asked[0].id, 0].response
    assert [turn.role for turn in found.prompt.messages] == ["system", "user"]
    assert asked[0].question in found.prompt.messages[-1].content
    assert (found.thinking, found.answer, found.correct) == ("3 + 4? é", "7", True)
    assert found.text.strip() == "He has 3 + 4 = 7 apples."
