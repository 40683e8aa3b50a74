"""What jobs that each write a part of the targets learn together from the texts of all.

    parts/0-of-2.words/learned-1f0c….safetensors    what the texts of part 0 teach
    parts/1-of-2.words/learned-1f0c….safetensors    what those of part 1 teach

Targets must not depend on who projects them, and the policy ``prefix`` learns from every text. Each
job learns from its own part and then needs the others: of those that nobody has begun it learns as
well, and for those that others are at it waits. So no job waits for one that has not started, and
what is learned of a part counts alike whoever learned it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import xxhash
from safetensors.numpy import load, save

from align import Learned
from specialize.errors import LockedError, StoreError
from specialize.io.files import write_atomically
from specialize.io.lock import writer_lock
from specialize.io.part import Part
from specialize.store.layout import PARTS

_PAUSE = 0.2  # seconds between two looks at what others are learning


def learn_together(
    out: Path, part: Part, digest: str, learn: Callable[[Part], Learned]
) -> list[Learned]:
    """What every part of the texts teaches, in the order of the parts.

    Args:
        out: the directory of the targets.
        part: of this job; learned first.
        digest: of everything that decides what is learned; parts of another digest are not used.
        learn: learns from the texts of a part.

    Raises:
        StoreError: what another job learned is damaged.
    """
    turns = [Part((part.index + turn) % part.count, part.count) for turn in range(part.count)]
    found: dict[int, Learned] = {}
    while len(found) < part.count:
        for each in turns:
            if each.index not in found:
                learned = _learned(out / PARTS / f"{each.name}.words", digest, each, learn)
                found |= {} if learned is None else {each.index: learned}
        if len(found) < part.count:
            time.sleep(_PAUSE)
    return [found[index] for index in range(part.count)]


def _learned(
    folder: Path, digest: str, part: Part, learn: Callable[[Part], Learned]
) -> Learned | None:
    """What ``part`` teaches, learned here where nobody has; None while somebody is at it."""
    path = folder / f"learned-{digest[:16]}.safetensors"
    if path.exists():
        return _read(path)
    try:
        with writer_lock(folder):
            if not path.exists():
                learned = learn(part)
                write_atomically(path, _encode(learned))
            return _read(path)
    except LockedError:
        return None


def _encode(learned: Learned) -> bytes:
    content = save(learned._asdict())
    return content + xxhash.xxh3_128_digest(content)


def _read(path: Path) -> Learned:
    whole = path.read_bytes()
    content, mark = whole[:-16], whole[-16:]
    if xxhash.xxh3_128_digest(content) != mark:
        raise StoreError(f"{path} is damaged; remove it, and it is learned again")
    return Learned(**load(content))
