"""Shards: the part of every set that one of several processes answers.

    specialize evaluate RUN --shard 0/4      every fourth example of every set and checkpoint
    specialize evaluate RUN --processes 4    four of these, then their answers put together

A shard appends to files of its own beside the predictions' (``<name>.shard-0-of-4.jsonl``), so no
lock is needed, and each goes on after an interruption like a whole evaluation. An evaluation
without a shard takes over what the shards wrote, asks what is still missing, and scores.
``processes`` starts them.
"""

from __future__ import annotations

from dataclasses import dataclass

from specialize.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Shard:
    """The examples at positions index, index + count, ... of every set."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ConfigurationError(
                f"shard {self.index}/{self.count}: of {self.count} shards the first is 0 and the "
                f"last {self.count - 1}"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``0/4``: the first of four.

        Raises:
            ConfigurationError: the text is anything else.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal()):
            raise ConfigurationError(f"a shard reads INDEX/COUNT, such as 0/4, not {text!r}")
        return cls(int(index), int(count))

    def has(self, position: int) -> bool:
        return position % self.count == self.index

    @property
    def suffix(self) -> str:
        """What its files' names end with, before ``.jsonl``."""
        return f".shard-{self.index}-of-{self.count}"
