r"""Where a response is over: tables of what ends one and what does not, and two properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.answers import Kind, answer_end, find_answer, is_correct

MORE = "\nLet me know if you have questions."
# responses that are over where MORE begins
OVER = [
    "I check whether the answer is positive: 3\n1 + 2 = 3.\nThe answer is 3",
    "The answer is 3.",
    "So the answer is 5 (see step 2).",
    "Answer: 1,250 dollars",
    "#### 18",
    "**Final answer:** $18.50",
    "The answer is x = 5 apples.",
    "The answer is 2 + 3 = 5.",
    "The answer is about 12 km.",
    "The answer is five.",
    "The answer is:\n\\[\nx = 3\n\\]",
    "The answer is:\n\\[ \\boxed{42} \\]",
    "\\[\n\\boxed{42}\n\\]",
    "The answer is\n$$\n7\n$$",
    "The answer is\n\\begin{align*}\nx &= 3 + 4 \\\\\n&= 7\n\\end{align*}",
    "The answer is:\n\n42",
    "The answer is:\n\n- 42 apples",
    "The answer is:\n• 42",
    "The answer is:\n```\n42\n```",
    "The answer is:\n~~~text\n42\n~~~",
    "## Final Answer\n\n42",
    "<answer>\n42\n</answer>",
    "<think>The answer is 4.\nNo, it is 3.\n</think>\nThe answer is 3.",
    "The answer is positive, as it should be.\nThe answer is 3.",
    "The answer is in dollars.\n3 * 5 = 15\nThe answer is 15",
    "The answer is the sum of 2 and 3.\nSo the answer is 5.",
    "The answer is found by adding 2 and 3.\n#### 5",
    "If the answer is 4, then 4 + 1 = 6, which is false.\nThe answer is 5.",
    "The answer is 5 more than 3.\nThe answer is 8.",
    "The answer is as follows: 3 + 4\n= 7.\nThe answer is 7",
]


@pytest.mark.parametrize("text", OVER)
def test_a_response_ends_with_the_line_of_its_first_complete_answer(text: str) -> None:
    assert answer_end(text + MORE) == len(text)
    assert answer_end(text) is None, "its line is not over"
    assert find_answer(text, mode="strict") is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3 + 4 = 7\nSo there are 7.\n",
        "The answer is\n",
        "The answer is:\n\n\\[\n",
        "The answer is:\n\\[\nx = 3\n",
        "The answer is:\n```\n42\n",
        "The answer is positive.\n",
        "Whether the answer is 5 we shall see.\n",
        "Suppose the answer is 5.\n",
        "The answer is in cents, not in dollars.\n",
        "The answer is 3 + 4 =\n7\n",
        "The answer is 3 + 4\n",
        "The answer is the product of 3 and 4\n",
        "The answer is not 5\n",
        "<think>The answer is 5.\n",
        "<think>\nThe answer is 5.\n</think>\n",
        "[THINK]The answer is 5.\n[/THINK]\nSo it is five",
    ],
)
def test_no_complete_answer_ends_nothing(text: str) -> None:
    assert answer_end(text) is None


@pytest.mark.parametrize(
    ("text", "kind", "over"),
    [
        ("The answer is not obvious.\nThe answer is (B).\nQ", "choice", 45),
        ("The answer is (B) red.\nQ", "choice", 22),
        ("The answer must be one of these:\nThe answer is (B)\nQ", "choice", 50),
        ("The answer is unclear.\nThe answer is yes.\nQ", "boolean", 41),
        ("The answer is (84 / 2).\nQ", "equation", 23),
        ("The answer is as follows:\nThe answer is neutral.\nQ", "text", 48),
        ("So the answer is ] } ].\nQ", "bbh", 23),
    ],
)
def test_what_is_complete_follows_from_the_kind(text: str, kind: Kind, over: int) -> None:
    assert answer_end(text, kind=kind) == over


def test_a_block_that_the_prompt_opened() -> None:
    text = "The answer is 4.\nNo.\n</think>\nThe answer is 3.\nAsk me more."
    assert answer_end(text[:20], thinking=True) is None
    assert answer_end(text, thinking=True) == text.index("\nAsk")
    assert answer_end(text) == text.index("\nAsk")


def test_tags_can_be_named() -> None:
    text = "((The answer is 4.\n))\nThe answer is 3.\nAsk me more."
    assert answer_end(text, reasoning=[("((", "))")]) == text.index("\nAsk")
    assert answer_end(text) == text.index("\n")
    assert is_correct(text, "3", reasoning=[("((", "))")])
    assert find_answer("((The answer is 4.\n", reasoning=[("((", "))")]) is None


pieces = st.lists(
    st.sampled_from(
        ["The answer is ", "answer: ", "3", "5.", "\n", "\n\n", "\\[", "\\]", "```", "$$",
         "<think>", "</think>", "- ", "positive", " 3 + 4 ", "=", "\\boxed{5}", "whether ",
         "(A)", "<answer>", "</answer>"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@given(pieces, pieces)
def test_what_is_written_later_moves_no_end(text: str, later: str) -> None:
    over = answer_end(text, thinking=True)
    if over is not None:
        assert text[over] == "\n"
        assert answer_end(text + later, thinking=True) == over


@given(pieces)
def test_a_cut_response_has_an_announced_answer(text: str) -> None:
    over = answer_end(text)
    if over is not None:
        assert find_answer(text[:over], mode="strict") is not None
