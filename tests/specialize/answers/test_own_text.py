r"""Reasoning blocks and run-ons: which part of a response may hold its answer."""

from __future__ import annotations

import pytest

from specialize.answers import find_answer, is_correct
from specialize.answers.own_text import REASONING

# a response, and what is read in it in both modes
BLOCKS = [
    ("<think>The answer is 4.</think>The answer is 5.", "5"),
    ("<think>\nThe answer is 4.\n</think>\n\n5", "5"),
    ("<think>3 + 4 = 7. The answer is 7.</think>", "7"),
    ("<think>The answer is 7.</think>\n \n", "7"),
    ("<THINK>The answer is 4.</Think> The answer is 5.", "5"),
    ("The answer is 4.</think>The answer is 5.", "5"),
    ("The answer is 7.\n</think>", "7"),
    ("<reasoning>The answer is 4</reasoning><answer>5</answer>", "5"),
    ("[THINK]The answer is 4[/THINK]The answer is 5", "5"),
    ("◁think▷The answer is 4◁/think▷The answer is 5", "5"),
    ("<|channel|>analysis<|message|>The answer is 4<|end|><|start|>assistant"
     "<|channel|>final<|message|>The answer is 5<|return|>", "5"),
    ("The answer is 5. <think>The answer is 4?</think> I hope that helps.", "5"),
    ("<think>The answer is 3</think> Hm. <think>The answer is 4</think>The answer is 5", "5"),
    ("<think>it says <reasoning> somewhere, the answer is 4</think>The answer is 5", "5"),
    ("<think></think>The answer is 5.", "5"),
    ("<think>The answer is 4.</think>\nI am not sure.", "I am not sure"),
    ("<think>The answer is 4.", None),
    ("<think>\n3 + 4 = 7\n", None),
    ("<think>3</think> and then <think>the answer is 4", None),
    ("The answer is 5.<think>No, the answer is", None),
    ("[THINK]The answer is 4.", None),
    ("<|channel|>analysis<|message|>The answer is 4<|end|>", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "answer"), BLOCKS)
def test_reasoning_blocks(text: str, answer: str | None) -> None:
    assert find_answer(text) == answer
    assert find_answer(text, mode="strict") == answer
    for gold in ("3", "4", "5", "7"):
        assert is_correct(text, gold) == (gold == answer)


@pytest.mark.parametrize(("opening", "closing"), REASONING)
def test_every_pair_of_tags(opening: str, closing: str) -> None:
    assert find_answer(f"{opening}The answer is 4.{closing}The answer is 5.") == "5"
    assert find_answer(f"{opening}The answer is 4.{closing}") == "4"
    assert find_answer(f"{opening}The answer is 4.") is None


def test_long_reasoning_is_passed_over() -> None:
    assert find_answer(f"<think>{'The answer is 4. ' * 9000}</think>The answer is 5.") == "5"


@pytest.mark.parametrize(
    "run_on",
    [
        "\n\nQ: How many are left?\nA: The answer is 6",
        "\nQuestion: How many?\nThe answer is 6",
        "\n\nQuestion 2: How many?\nThe answer is 6",
        "\nProblem 2: Tom has 4 pens.\nThe answer is 6",
        "\n\n**Problem 2:** Tom has 4 pens.\nThe answer is 6",
        "\n\n**Problem 2**\nTom has 4 pens.\nThe answer is 6",
        "\n### Problem 3\nTom has 4 pens.\nThe answer is 6",
        "\nProblem #3:\nTom has 4 pens.\n#### 6",
        "\n### Question\nHow many?\nThe answer is 6",
        "\n### Question: How many?\nThe answer is 6",
        "\n## Next Question: How many?\nThe answer is 6",
        "\nInstruction: Say a number.\nThe answer is 6",
        "\n### Instruction:\nSay a number.\n### Response:\nThe answer is 6",
        "\n### Input:\nSay a number.\nThe answer is 6",
        "\nHuman: And with 6?\nAssistant: The answer is 6",
        "\n\nUser: And with 6?\nThe answer is 6",
        "\n### Human: And with 6?\nThe answer is 6",
        "\nExercise 7: Tom has 4 pens.\nThe answer is 6",
        "\n<|user|>\nAnd with 6?\nThe answer is 6",
        "\n<|im_start|>user\nAnd with 6?\nThe answer is 6",
        "\n<start_of_turn>user\nAnd with 6?\nThe answer is 6",
        "\n[INST] And with 6? [/INST] The answer is 6",
        "\nQ2. How many are left?\nThe answer is 6",
        "\nInput: 6\nThe answer is 6",
        "\n\nExample 2:\nThe answer is 6",
        "\nTask 2: count them.\nThe answer is 6",
        "\n\n[Question]\nHow many? The answer is 6",
        "\nHuman\nHow many? The answer is 6",
        "\nBelow is an instruction that describes a task.\nThe answer is 6",
        "<|endoftext|>Human: How many?\nThe answer is 6",
        "</s><s>[INST] How many? The answer is 6",
        " Q: How many? A: The answer is 6",
        " Problem 2: Tom has 4 pens. The answer is 6",
        " ### Question How many? The answer is 6",
        " Human: And with 6? The answer is 6",
    ],
)
def test_what_the_model_asks_itself_does_not_count(run_on: str) -> None:
    for text in ("3 + 2 = 5.\nThe answer is 5.", "The answer is 5."):
        assert find_answer(text + run_on) == "5"
        assert find_answer(text + run_on, mode="strict") == "5"
        assert not is_correct(text + run_on, "6")


@pytest.mark.parametrize(
    "text",
    [
        "Q1: 2 million\nQ2: 3 million\nThe answer is 5",
        "We solve it.\nProblem solved: nothing is left to do.\nThe answer is 5",
        "We count.\nQuestions asked: 7, answered 2.\nThe answer is 5",
        "We count.\nHuman hours: 7\nThe answer is 5",
        "We count.\nHumans: 7\nThe answer is 5",
        "We count.\nUsers: 7\nThe answer is 5",
        "We count.\nTask: all of them\nThe answer is 5",
        "We count.\nExample of a pen: red\nThe answer is 5",
        "We count.\nInput tokens: 7\nThe answer is 5",
        "We count.\nInstructions per step: 7\nThe answer is 5",
        "The ratio is Problem 2:3 or so. The answer is 5",
        "Question: how many pens?\nThe answer is 5",
        "\n\nQ: how many pens?\nA: The answer is 5",
        "The steps are: #### 5",
        "### Solution\nThe answer is 5",
        "First.\n### Answer\n5",
    ],
)
def test_what_only_looks_like_a_run_on(text: str) -> None:
    assert find_answer(text, mode="strict") == "5"
