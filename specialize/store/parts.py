"""Parts: what one of several jobs writes of a store, and the one store that is made of them.

    OUT/parts/0-of-2/    shards 0, 2, 4, ... as a store of its own, of the same description
    OUT/parts/1-of-2/    shards 1, 3, 5, ...
    OUT                  after ``merging``: all of them, as one job would have written them

A shard's bytes follow from its number, so that neither the number of parts nor the order in which
they come can be seen in the whole. Each part has the lock, the manifest and the resume of a store;
the one that merges is the only writer of the whole's manifest.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from specialize.errors import ConfigurationError, StoreError
from specialize.io.files import sync_directory
from specialize.io.lock import writer_lock
from specialize.io.part import Part
from specialize.objects.address import directory_of
from specialize.store.description import differences
from specialize.store.layout import JOURNAL, PARTS, STORE, SUMMARY
from specialize.store.reader import Store, read_store_file
from specialize.store.recovery import discard, refuse_foreign
from specialize.store.remote import bucket_of, folder_names, here
from specialize.store.remote_writer import writing
from specialize.store.sealed import Json
from specialize.store.vocabulary import joined_vocabulary
from specialize.store.writer import StoreWriter


def place_of(out: Path, part: Part | None, *, restart: bool = False) -> Path:
    """The directory that a job writes: ``out`` itself, or its part's.

    Raises:
        ConfigurationError: the whole is wanted where parts are, or a part of a finished whole.
    """
    out = here(out)
    if part is None:
        if folder_names(out / PARTS) and not restart:
            raise ConfigurationError(
                f"{out / PARTS} holds parts of this store; finish and merge them (specialize merge "
                f"{out}), or restart to throw them away"
            )
        return out
    if (out / SUMMARY).exists():
        raise ConfigurationError(
            f"{out} is finished and takes no part {part}; remove it, or write elsewhere"
        )
    others = {each.count for each in _named(out)} - {part.count}
    if others and not restart:
        raise ConfigurationError(
            f"{out / PARTS} holds parts of {others.pop()}, not of {part.count}; go on with as many "
            f"parts, or remove them"
        )
    return out / PARTS / part.name


def discard_all(out: Path) -> None:
    """Remove the store at ``out`` and its parts, so that new ones can be written.

    Raises:
        LockedError: another process writes there.
        ConfigurationError: there is something else.
    """
    out = directory_of(out)
    if out.exists():
        refuse_foreign(out)
    if out.exists() or bucket_of(out) is not None:
        with writer_lock(out), writing(out, restart=True):
            discard(out)


@dataclass(frozen=True, slots=True)
class Merging:
    """The whole's writer, which has every shard, and the parts that they came from."""

    writer: StoreWriter
    parts: tuple[Store, ...]

    def finish(self, summary: Mapping[str, Json]) -> None:
        """Seal the whole; the parts are removed."""
        vocabulary = joined_vocabulary([part.align_vocabulary() for part in self.parts])
        self.writer.finish(vocabulary, summary)
        _remove_parts(self.writer.path)
        sync_directory(self.writer.path)


@contextmanager
def merging(out: Path) -> Iterator[Merging]:
    """Commit the shards of all parts of ``out``; files are linked, not written again.

    Raises:
        StoreError: parts are missing, unfinished, damaged or of different plans; names them.
        LockedError: another process merges or writes them whole.
    """
    out = directory_of(out)
    parts = _open_parts(out)
    description, shard_samples = read_store_file(parts[0].path)
    sources = {record.shard: (part.path, record) for part in parts for record in part.records}
    with StoreWriter(out, description, shard_samples=shard_samples) as writer:
        for number in sorted(sources.keys() - writer.committed):
            writer.adopt(*sources[number])
        yield Merging(writer, parts)


def already_merged(out: Path) -> Store | None:
    """The whole at ``out``, where there is one; parts that were merged into it are removed."""
    out = here(out)
    if not (out / SUMMARY).exists():
        return None
    _remove_parts(out)
    return Store.open(out)


def _remove_parts(out: Path) -> None:
    shutil.rmtree(out / PARTS, ignore_errors=True)
    bucket = bucket_of(out)
    if bucket is not None:
        bucket.remove(sorted(bucket.sizes(PARTS)))


def part_kind(out: Path) -> str:
    """What the parts of ``out`` are parts of: ``responses`` or ``targets``.

    Raises:
        StoreError: there is no part, or none is a store.
    """
    places = [here(out / PARTS / part.name) for part in _named(out)]
    found = [place for place in places if (place / STORE).exists()]
    if not found:
        raise StoreError(f"{out} has no parts to merge; --shard 0/N writes the first of N")
    return read_store_file(found[0])[0].kind


def _open_parts(out: Path) -> tuple[Store, ...]:
    found = sorted(_named(out), key=lambda part: part.index)
    counts = sorted({part.count for part in found})
    if len(counts) > 1:
        raise StoreError(
            f"{out / PARTS} has parts of {' and of '.join(map(str, counts))}; remove those of all "
            f"divisions but one"
        )
    places = {part.index: here(out / PARTS / part.name, also=[JOURNAL]) for part in found}
    every = [Part(index, counts[0]) for index in range(counts[0])]
    missing = [
        f"{part} is {'not finished' if part.index in places else 'missing'}"
        for part in every
        if part.index not in places or not (places[part.index] / SUMMARY).exists()
    ]
    if missing:
        raise StoreError(
            f"{out} cannot be merged: part {', '.join(missing)}; run each with --shard, and it "
            f"continues"
        )
    parts = tuple(Store.open(places[part.index]) for part in every)
    for part in parts[1:]:
        _refuse_other_plan(parts[0].path, part.path)
    return parts


def _named(out: Path) -> Iterator[Part]:
    for name in folder_names(out / PARTS):
        if match := re.fullmatch(r"(\d+)-of-(\d+)", name):
            yield Part(int(match[1]), int(match[2]))


def _refuse_other_plan(one: Path, other: Path) -> None:
    if (one / STORE).read_bytes() == (other / STORE).read_bytes():
        return
    sides = []
    for path in (one, other):
        description, shard_samples = read_store_file(path)
        sides.append({**description.as_json(), "shard_samples": shard_samples})
    different = differences(*sides, names=(f"in {one.name}", f"in {other.name}"))
    raise StoreError(
        f"{one} and {other.name} are parts of different plans ({'; '.join(different)}); remove one "
        f"and write it as the other was"
    )
