"""Thinking in the form of each family's own template, as the model itself writes it."""

from __future__ import annotations

import numpy as np
import pytest

from align.sparse import one_hot
from specialize.records import ChatPrompt, Message
from specialize.targets.thoughts import find_thought
from specialize.teacher.protocol import ScoredText
from specialize.teacher.thinking import marks_of, opens_thinking, without_thinking
from specialize.tokens import Tokenizer
from specialize.tokens.thinking_tags import tag_ids, thinking_tags
from tests.support.chat_families import FAMILIES, family_tokenizer

DAY = {"strftime_now": "2026-01-31"}
ASKED = (Message("user", "3 + 4?"),)
THINK = ("<think>\n", "\n</think>\n\n")
FINAL = "<|channel|>final<|message|>"
CHANNELS = ("<|channel|>analysis<|message|>", f"<|end|><|start|>assistant{FINAL}")
ON, OFF = {"enable_thinking": True}, {"enable_thinking": False}
# family, arguments: marks; whether the prompt opens a block, or closes an empty one
CASES = [
    ("qwen3", {}, THINK, False, False),
    ("qwen3", OFF, THINK, False, True),
    ("smollm3", {}, THINK, False, False),
    ("smollm3", OFF, THINK, False, True),
    ("deepseek_r1_distil", ON, THINK, True, False),
    ("deepseek_r1_distil", OFF, THINK, False, True),
    ("deepseek_v3_1", {}, THINK, False, True),
    ("deepseek_v3_1", {"thinking": True}, THINK, True, False),
    ("gpt_oss", {}, CHANNELS, False, False),
    ("granite3_3", {}, THINK, False, False),
]


@pytest.mark.parametrize(("name", "arguments", "marks", "opened", "closed"), CASES)
def test_marks_are_those_of_the_template(
    name: str, arguments: dict[str, bool], marks: tuple[str, str], opened: bool, closed: bool
) -> None:
    tokenizer = family_tokenizer(name)
    assert tokenizer.chat is not None
    found = thinking_tags(tokenizer.chat, {**DAY, **arguments})
    assert found is not None
    assert (found.opening, found.closing) == marks
    assert (found.opened, found.closed) == (opened, closed)
    assert opens_thinking(ChatPrompt(ASKED, {**DAY, **arguments}), tokenizer) is opened


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {case[0] for case in CASES}))
def test_other_templates_have_no_marks(name: str) -> None:
    tokenizer = family_tokenizer(name)
    assert tokenizer.chat is not None
    assert thinking_tags(tokenizer.chat, DAY) is None


def written(tokenizer: Tokenizer, ids: list[int]) -> ScoredText:
    whole = np.array([*ids, tokenizer.turn_end], np.int32)
    return ScoredText("", whole, -np.arange(len(whole), dtype=np.float32), one_hot(whole), "eos")


@pytest.mark.parametrize(("name", "arguments", "marks", "opened", "closed"), CASES)
@pytest.mark.parametrize("thought", ["3 and 4 are 7?\nYes é.", ""])
def test_what_a_model_writes_is_parted(
    name: str, arguments: dict[str, bool], marks: tuple[str, str], opened: bool, closed: bool,
    thought: str,
) -> None:  # fmt: skip
    """Thought and content apart, each with its own tokens, no mark in either's text."""
    tokenizer, prompt = family_tokenizer(name), ChatPrompt(ASKED, {**DAY, **arguments})
    before = [] if opened else tag_ids(tokenizer, marks[0])
    within, after = tokenizer.encode(thought), tag_ids(tokenizer, marks[1])
    content = tokenizer.encode("The answer is 7")
    found = without_thinking(
        written(tokenizer, [*before, *within, *after, *content]), tokenizer, opened=opened,
        marks=marks_of(prompt, tokenizer),
    )  # fmt: skip
    assert (found.text, found.thinking) == ("The answer is 7", thought)
    assert found.token_id.tolist() == [*content, tokenizer.turn_end]
    assert found.token_logprob[0] == -len([*before, *within, *after])
    stored = found.thought.token_id.tolist() if found.thought else []
    kept = find_thought(stored, tokenizer.vocabulary()) if stored else None
    assert (kept.text.strip() if kept else "") == thought


def test_what_is_said_in_its_channel_without_thinking() -> None:
    tokenizer = family_tokenizer("gpt_oss")
    marks = marks_of(ChatPrompt(ASKED, DAY), tokenizer)
    lead = tag_ids(tokenizer, FINAL)
    content = tokenizer.encode("The answer is 7")
    found = without_thinking(
        written(tokenizer, [*lead, *content]), tokenizer, opened=False, marks=marks
    )
    assert (found.text, found.thinking, found.thought) == ("The answer is 7", "", None)
    assert found.token_id.tolist() == [*content, tokenizer.turn_end]
