"""How long prompts and texts are, without a model and without a network.

    Texts("runs/student").mean(prompts)     41.3    by its own tokenizer
    Texts("google/flan-t5-base").mean(...)  58.0    not on this machine: four bytes a token

Sets that a recipe takes from the hub are counted by what is known of them here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from specialize.config.user_files import is_own_file
from specialize.records import Prompt
from specialize.tokens import Tokenizer, load_tokenizer

# GSM8K's questions have 4.0 (T5) and 4.2 (GPT-2), its solutions 3.4 and 3.5
BYTES_PER_TOKEN = 4.0
MOST = 500  # prompts that are tokenized; of more a part that is spread over all


@dataclass(frozen=True, slots=True)
class PublishedSize:
    """What is known of a set that is not read.

    Attributes:
        train: examples for training. held_out: those of the file that evaluation divides.
        question, solution: mean bytes; solutions of sets without rationales are those of a teacher
            that explains its answer, about.
        tasks: of which protocol ``first`` takes its limit each.
    """

    train: int
    held_out: int
    question: int
    solution: int = 200
    tasks: int = 1


PUBLISHED = {
    "gsm8k": PublishedSize(7473, 1319, 237, 243),
    "svamp": PublishedSize(700, 1000, 163),
    "asdiv": PublishedSize(2305, 2305, 160),
    "multiarith": PublishedSize(420, 600, 158),
    "bbh": PublishedSize(0, 6511, 369, tasks=27),
    "cqa": PublishedSize(8766, 1221, 157),
    "obqa": PublishedSize(4957, 500, 154),
    "arc": PublishedSize(1117, 1165, 276),
}


class Texts:
    """Counts tokens as a model on this machine does, or by their bytes."""

    def __init__(self, model: str | None) -> None:
        here = model is not None and not is_own_file(model) and Path(model).exists()
        self._tokenizer: Tokenizer | None = load_tokenizer(model) if model and here else None

    @property
    def exact(self) -> bool:
        """Whether a tokenizer counts."""
        return self._tokenizer is not None

    def mean(self, prompts: Sequence[Prompt]) -> float:
        """Mean tokens; 0.0 of none.

        Raises:
            InputError: a chat template that cannot be rendered.
        """
        some = prompts[:: max(1, len(prompts) // MOST)]
        if not some:
            return 0.0
        if self._tokenizer is None:
            return sum(len(str(prompt).encode()) for prompt in some) / len(some) / BYTES_PER_TOKEN
        return sum(map(len, self._tokenizer.encode_prompts(some))) / len(some)
