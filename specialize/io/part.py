"""Part i of n: which things of a list one of several jobs does."""

from __future__ import annotations

from dataclasses import dataclass

from specialize.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Part:
    """Of things in a list, those at positions index, index + count, ..."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ConfigurationError(
                f"shard {self}: of {self.count} shards the first is 0 and the last {self.count - 1}"
            )

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Part:
        """``0/4``: the first of four.

        Raises:
            ConfigurationError: the text is anything else.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal()):
            raise ConfigurationError(f"a shard reads INDEX/COUNT, such as 0/4, not {text!r}")
        return cls(int(index), int(count))

    def has(self, position: int) -> bool:
        """Whether what is at ``position`` belongs to it."""
        return position % self.count == self.index

    def of(self, size: int) -> range:
        """Its positions in a list of ``size``."""
        return range(self.index, size, self.count)

    @property
    def name(self) -> str:
        """As it is part of a file's name: ``0-of-4``."""
        return f"{self.index}-of-{self.count}"


WHOLE = Part(0, 1)
