"""A chat model teaches a smaller one of another family: each reads its own template.

The teacher answers in chats, without the thinking that some templates can turn off; its
distributions are carried over to the student's vocabulary, and the student answers in chats too.
"""

from __future__ import annotations

from specialize.config.chat import Chat
from specialize.config.recipe import (
    Dataset,
    Evaluation,
    EvaluationSet,
    Objective,
    Recipe,
    Teacher,
)
from specialize.config.training import Optimization, Training


def chat_pair() -> Recipe:
    """A chat student from a chat teacher: turns in each one's own template, KL on the content."""
    return Recipe(
        name="chat-pair",
        student="HuggingFaceTB/SmolLM2-360M-Instruct",
        train_on=Dataset(set="gsm8k", split="train"),
        teachers={
            "qwen": Teacher(
                model="Qwen/Qwen3-8B",
                dtype="bfloat16",
                format="chat-cot",
                chat=Chat(arguments={"enable_thinking": False}),
                samples=8,
                max_new_tokens=512,
            )
        },
        objectives=(
            Objective(name="cot", format="chat-cot", target="distribution", teacher="qwen"),
        ),
        training=Training(max_target_tokens=512, checkpoint_every=200),
        optimization=Optimization(steps=2000, learning_rate=1e-5),
        evaluation=Evaluation(
            sets=(
                EvaluationSet(set="gsm8k", role="in-distribution", split="test"),
                EvaluationSet(set="svamp", role="out-of-distribution"),
            ),
            formats=("chat-cot",),
            max_new_tokens=512,
        ),
    )
