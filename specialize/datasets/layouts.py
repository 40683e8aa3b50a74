"""Which file of a directory a set is in, and which split a file holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from specialize.errors import ConfigurationError


def file_of_split(
    path: Path, split: str | None, splits: Sequence[str], name: str
) -> tuple[Path, str]:
    """The file to read, ``<split>.jsonl`` of a directory, and the split for the ids.

    Raises:
        ConfigurationError: a directory without a named split, or a file of another split.
    """
    if path.is_dir():
        if split is None:
            raise ConfigurationError(
                f"{name} in {path} has the splits {', '.join(splits)}; "
                f"name one (split: {splits[0]})"
            )
        return path / f"{split}.jsonl", split
    if split is not None and path.stem in splits and path.stem != split:
        raise ConfigurationError(f"{path} holds split {path.stem!r} of {name}, not {split!r}")
    return path, split or path.stem


def sole_file(path: Path, split: str | None, published: str, name: str) -> Path:
    """The one file of a set without splits."""
    refuse_split(split, name)
    return path / published if path.is_dir() else path


def refuse_split(split: str | None, name: str) -> None:
    """Refuse a split of a set that has none.

    Raises:
        ConfigurationError: a split was named.
    """
    if split is not None:
        raise ConfigurationError(
            f"{name} is read as one set without published splits; drop split: {split}"
        )


def named(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
