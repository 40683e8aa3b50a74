"""The parts of a dump become the store that one dump would have written.

    parts/0-of-2   parts/1-of-2   ->   shards, manifest, summary of all; quarantine, journal

No teacher is asked or loaded: what it said, and the pieces of its vocabulary, are in the parts.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

from specialize.answers import Kind
from specialize.io.files import disk_full_named, write_atomically
from specialize.store import Merging, Store, merging
from specialize.store.layout import JOURNAL, QUARANTINE
from specialize.store.sealed import Json
from specialize.teacher.quarantine import PREFIX
from specialize.teacher.statistics import Tally
from specialize.teacher.summary import DumpSummary


def merge_dump(out: Path) -> DumpSummary:
    """Make one store of the parts at ``out``, byte for byte that of a dump without parts.

    Raises:
        StoreError: parts are missing, unfinished, damaged or of different plans; names them.
        LockedError: another process writes the whole.
    """
    started = time.monotonic()
    with merging(out) as merged:
        writer, first = merged.writer, merged.parts[0].summary
        settings = writer.description.settings
        tally = Tally(_kind(settings["answers"]))
        for texts in Store.open(writer.path, allow_partial=True).texts():
            tally.add(texts.responses)
        summary = DumpSummary(
            mode=str(settings["mode"]),
            statistics=tally.statistics(),
            counts=writer.counts,
            pilot=cast("dict[str, int]", first["pilot"]),
            positions=writer.positions,
            bytes_per_position=writer.description.bytes_per_position,
            left_out=cast("int", first["left_out"]),
            too_long=cast("int", first["too_long"]),
            seconds=time.monotonic() - started,
            resumed=0,
        )
        _join_quarantines(merged)
        _join_journals(merged.parts, out)
        merged.finish(summary.as_json())
    return summary


def _kind(name: Json) -> Kind:
    return next(kind for kind in get_args(Kind) if kind == name)


def _join_quarantines(merged: Merging) -> None:
    """List the responses that are in no shard, shard after shard."""
    lines = []
    for part in merged.parts:
        file = part.path / QUARANTINE
        left = file.read_bytes().splitlines(keepends=True) if file.is_file() else []
        for record in sorted(part.records, key=lambda record: record.shard):
            own = sum(n for reason, n in record.counts.items() if reason.startswith(PREFIX))
            lines.append((record.shard, left[:own]))
            left = left[own:]
    content = b"".join(line for _, shard in sorted(lines) for line in shard)
    if content:
        write_atomically(merged.writer.path / QUARANTINE, content)


def _join_journals(parts: Sequence[Store], out: Path) -> None:
    """One journal after the other, each on a line of its own; the order of answers says nothing."""
    found = [part.path / JOURNAL for part in parts if (part.path / JOURNAL).is_file()]
    if not found:
        return
    size = sum(file.stat().st_size + 1 for file in found)
    with disk_full_named(out / JOURNAL, size), (out / JOURNAL).open("wb") as joined:
        for file in found:
            with file.open("rb") as content:
                shutil.copyfileobj(content, joined)
            if not _ends_a_line(file):  # a killed job's last answer is torn
                joined.write(b"\n")


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
