"""Which examples are validation and which are test, the same on every machine.

Two protocols, because paper and code of Fu et al. (arXiv:2301.12726) disagree:

    paper   500 each of GSM8K test, ASDiv and SVAMP and 200 of MultiArith are validation, the rest
            is test; the paper does not say which, so they are drawn here, and pinned
    code    an index file names the positions of GSM8K train (or MultiArith) that are held out

The draw ranks ids by sha256 of seed and id, so it depends on no library, no order of the file
and no machine. For the full published sets the drawn ids are pinned: a digest over them is a
constant of the set, checked at every draw.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from specialize.datasets.sets import SETS
from specialize.datasets.spec import Published
from specialize.errors import ConfigurationError, InputError
from specialize.records import Example

SEED = 0
_log = logging.getLogger(__name__)


def paper_split(
    name: str, examples: Sequence[Example], *, seed: int = SEED
) -> dict[str, list[Example]]:
    """``examples`` split into "validation" and "test", each in the order given.

    A set that is not the published one is split by the same rule, and a warning is logged.

    Raises:
        ConfigurationError: the protocol does not cover the set, or there are too few examples.
        InputError: the full published set gives other ids than pinned.
    """
    published = _published(name)
    if len(examples) <= published.validation:
        raise ConfigurationError(
            f"protocol paper holds {published.validation} of {published.what} for validation, but "
            f"only {len(examples)} examples were given; use another protocol for a part of a set"
        )
    drawn = _draw([example.id for example in examples], published.validation, seed)
    note = split_note(name, examples, seed=seed)
    if note is not None:
        _say_once(note)
    elif ids_digest(drawn) != published.drawn_ids:
        raise InputError(
            f"the drawn validation ids of {published.what} are not the pinned ones "
            f"({ids_digest(drawn)} for {published.drawn_ids}); this installation is damaged"
        )
    return {
        "validation": [example for example in examples if example.id in drawn],
        "test": [example for example in examples if example.id not in drawn],
    }


def split_note(name: str, examples: Sequence[Example], *, seed: int = SEED) -> str | None:
    """Why the paper split of ``examples`` is not the pinned one; None if it is."""
    published = _published(name)
    if seed != SEED:
        return (
            f"{published.what}: split drawn with seed {seed}; ids are pinned for seed {SEED} only"
        )
    if ids_digest([example.id for example in examples]) == published.all_ids:
        return None
    return (
        f"{published.what}: these {len(examples)} examples are not the {published.total} published "
        f"ones by id, so the split is drawn by the same rule but is not the pinned one"
    )


def code_split(
    examples: Sequence[Example], index_file: Path | str
) -> tuple[list[Example], list[Example]]:
    """``examples`` without those at the positions of an index file, and those, in file order.

    For GSM8K train that is (train, validation); for MultiArith (test, validation).

    Raises:
        InputError: the file is no list of different positions in ``examples``.
    """
    positions = read_index(Path(index_file))
    if positions and positions[-1] >= len(examples):
        raise InputError(
            f"index file {index_file} names position {positions[-1]}, but only {len(examples)} "
            f"examples were given; it belongs to the whole published file"
        )
    chosen = set(positions)
    rest = [example for at, example in enumerate(examples) if at not in chosen]
    return rest, [examples[at] for at in positions]


def read_index(path: Path) -> list[int]:
    """The positions in a ``.npy`` file, ascending. Pickled content is refused.

    Raises:
        InputError: no such file, no row of whole numbers, a negative or a repeated position.
    """
    try:
        index = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"no index file {path}; expected there: positions as .npy") from None
    except (OSError, ValueError, EOFError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"index file {path} is not a .npy array ({reason})") from None
    if not isinstance(index, np.ndarray) or index.ndim != 1 or index.dtype.kind not in "iu":
        raise InputError(f"index file {path} must hold one row of whole numbers")
    positions = sorted(index.tolist())
    if positions and positions[0] < 0:
        raise InputError(f"index file {path} names position {positions[0]}")
    if len(set(positions)) != len(positions):
        raise InputError(f"index file {path} names a position twice")
    return positions


def ids_digest(ids: Sequence[str] | frozenset[str]) -> str:
    """sha256 over the sorted ids, one a line."""
    return hashlib.sha256("".join(f"{id_}\n" for id_ in sorted(ids)).encode()).hexdigest()


def _draw(ids: Sequence[str], count: int, seed: int) -> frozenset[str]:
    """The ``count`` ids with the smallest sha256 of "<seed> <id>"."""
    ranked = sorted(ids, key=lambda id_: hashlib.sha256(f"{seed} {id_}".encode()).digest())
    return frozenset(ranked[:count])


def _published(name: str) -> Published:
    pinned = SETS[name].pinned if name in SETS else None
    if pinned is None:
        covered = ", ".join(spec.name for spec in SETS.values() if spec.pinned is not None)
        raise ConfigurationError(
            f"protocol paper covers {covered}, not {name!r}; use protocol first, index or files"
        )
    return pinned


@cache
def _say_once(note: str) -> None:
    _log.warning("%s", note)
