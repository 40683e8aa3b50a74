"""Checkpoints that are complete or absent.

    checkpoints/step-000200.partial/     being written; never read
    checkpoints/step-000200/             model.safetensors, config.json, tokenizer files, the
                                         trainer's state, and COMPLETE: bytes and sha256 of each

Files are written under the partial name and flushed to disk, ``COMPLETE`` last; then the directory
is renamed. A kill at any moment leaves a partial directory, which the next run removes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from specialize.artifacts.selection import read_selection
from specialize.errors import DiskFullError, StoreError
from specialize.io.fault_injection import before_file_operation
from specialize.io.files import apply_umask, sync_directory, write_atomically

COMPLETE = "COMPLETE"
INTERRUPTED = "INTERRUPTED"  # in a checkpoint that the schedule does not ask for
_NAME = re.compile(r"step-(\d{6,})")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True, order=True)
class Checkpoint:
    """A complete checkpoint: the student after ``step`` optimizer steps."""

    step: int
    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_candidate(self) -> bool:
        """Whether the schedule asked for it; one left by an interruption is for resuming only."""
        return not (self.path / INTERRUPTED).exists()


def folder(run: Path) -> Path:
    return run / "checkpoints"


def name_of(step: int) -> str:
    return f"step-{step:06d}"


def complete(run: Path) -> list[Checkpoint]:
    """The complete checkpoints of a run, by step."""
    found = []
    for path in folder(run).glob("step-*"):
        match = _NAME.fullmatch(path.name)
        if match and (path / COMPLETE).is_file():
            found.append(Checkpoint(int(match[1]), path))
    return sorted(found)


def candidates(run: Path) -> list[Checkpoint]:
    """Those that are evaluated and may be selected: an interruption adds none."""
    return [checkpoint for checkpoint in complete(run) if checkpoint.is_candidate]


def last(run: Path) -> Checkpoint | None:
    """The complete checkpoint with the most steps."""
    found = complete(run)
    return found[-1] if found else None


def check(checkpoint: Checkpoint) -> None:
    """Compare every file with the size and sha256 that were written down.

    Raises:
        StoreError: a file is missing, has another size or other content, or is not listed.
    """
    where = checkpoint.path
    advice = f"; remove {where} to go on from the checkpoint before it"
    try:
        listed = json.loads((where / COMPLETE).read_text())["files"]
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise StoreError(f"checkpoint {where}: {COMPLETE} cannot be read{advice}") from error
    present = {path.name for path in where.iterdir()} - {COMPLETE}
    if present != set(listed):
        raise StoreError(
            f"checkpoint {where}: files {sorted(present ^ set(listed))} are missing or not listed"
            f"{advice}"
        )
    for name, facts in listed.items():
        size = (where / name).stat().st_size
        if size != facts["bytes"]:
            raise StoreError(
                f"checkpoint {where}: {name} has {size} bytes, {facts['bytes']} were written"
                f"{advice}"
            )
        if _sha256(where / name) != facts["sha256"]:
            raise StoreError(f"checkpoint {where}: {name} is damaged (its hash differs){advice}")


def remove_partial(run: Path) -> None:
    """Remove what a killed run left half written."""
    for path in folder(run).glob("step-*.partial"):
        shutil.rmtree(path)


def retain(run: Path, newest: int | None) -> None:
    """Remove all but the ``newest`` checkpoints, the first and the selected one; None: keep all.

    One left by an interruption takes no place among the newest, and goes once there is a later one.
    A kill on the way leaves a partial directory, which the next run removes.
    """
    if newest is None:
        return
    left = [checkpoint for checkpoint in complete(run)[:-1] if not checkpoint.is_candidate]
    selection = read_selection(run)
    chosen = selection.step if selection else None
    for checkpoint in [*candidates(run)[1:-newest], *left]:
        if checkpoint.step != chosen:
            doomed = checkpoint.path.with_suffix(".partial")
            before_file_operation()
            os.rename(checkpoint.path, doomed)
            before_file_operation()
            shutil.rmtree(doomed)


def begin(run: Path, step: int) -> Path:
    """An empty partial directory for the files of ``step``."""
    partial = folder(run) / f"{name_of(step)}.partial"
    before_file_operation()
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    return partial


def commit(partial: Path) -> Checkpoint:
    """Make a partial directory complete: flush, write ``COMPLETE``, rename."""
    apply_umask(partial)
    files = {}
    for path in sorted(partial.iterdir()):
        before_file_operation()
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[path.name] = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
    listed = json.dumps({"files": files}, indent=1, sort_keys=True) + "\n"
    write_atomically(partial / COMPLETE, listed.encode())
    final = partial.with_suffix("")
    if final.exists():  # an incomplete or damaged one of the same step
        shutil.rmtree(final)
    before_file_operation()
    os.rename(partial, final)
    before_file_operation()
    sync_directory(final.parent)
    return Checkpoint(int(final.name.removeprefix("step-")), final)


def mark_interrupted(partial: Path) -> None:
    """Say in a partial directory that its checkpoint is for resuming only."""
    text = "Saved because the run was interrupted; for resuming, not evaluated or selected.\n"
    (partial / INTERRUPTED).write_text(text)


@contextmanager
def writing(run: Path, step: int) -> Iterator[Path]:
    """A partial directory that becomes checkpoint ``step`` when the block ends well.

    Raises:
        DiskFullError: there was no room; nothing is left of the attempt.
    """
    partial = begin(run, step)
    with room_needed(partial):
        yield partial
        commit(partial)


@contextmanager
def room_needed(partial: Path) -> Iterator[None]:
    """Turn every library's way to say that the disk is full into ``DiskFullError``.

    Raises:
        DiskFullError: no room; the unfinished checkpoint is removed.
    """
    try:
        yield
    except Exception as error:
        if not _is_full(error, partial):
            raise
        written = sum(path.stat().st_size for path in partial.glob("*"))
        shutil.rmtree(partial, ignore_errors=True)
        raise DiskFullError(
            f"no room for checkpoint {partial.with_suffix('')}: {written:,} bytes were written, "
            f"{shutil.disk_usage(partial.parent).free:,} bytes are free; earlier checkpoints are "
            f"intact, make room and run the same command again"
        ) from error


def _is_full(error: Exception, partial: Path) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    # torch and safetensors say it only in words, and torch not even that
    words = ("No space left", "File too large", "Disk quota", "os error 28", "os error 27")
    if any(word in str(error) for word in words):
        return True
    return "PytorchStreamWriter" in str(error) and partial.exists()


def check_room(run: Path, needed: int) -> None:
    """Refuse to begin when ``needed`` bytes of checkpoints would not fit.

    Raises:
        DiskFullError: with needed and free bytes.
    """
    run.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(run).free
    if needed > free:
        raise DiskFullError(
            f"{run}: the checkpoints need about {needed:,} bytes, {free:,} are free; make room or "
            f"raise training.checkpoint_every"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
