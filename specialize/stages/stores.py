"""Stores without a recipe: dump a set, say what that would take, make one store of parts.

dump_set(out, settings, "gsm8k", path, shard="0/4", ...)    a part of four
merge_store(out)                                            the whole, once all are done
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from specialize.engines import HERE, Engine, Work
from specialize.errors import ConfigurationError
from specialize.io.garbage import importing
from specialize.io.part import Part
from specialize.store import already_merged, discard_all, part_kind, place_of

if TYPE_CHECKING:  # a dry run starts without kernels, and an alignment without sets
    from align.project import Policy
    from specialize.answers import Kind
    from specialize.config.recipe import Teacher
    from specialize.records import Example
    from specialize.teacher.protocol import Teacher as OpenedTeacher


def dump_set(
    out: Path,
    settings: Teacher,
    name: str,
    path: str | None,
    *,
    split: str | None,
    limit: int | None,
    seed: int,
    restart: bool,
    dry_run: bool,
    shard: str | None = None,
    engine: Engine = HERE,
) -> dict[str, object]:
    """Dump a teacher over one set, without a recipe; or only say what that would take.

    ``shard``, as "0/4", is the part that is written, ``engine`` what writes all at once.
    """
    part = engine.part(shard)
    if not dry_run and is_divided(out, engine, restart=restart):
        write = partial(
            dump_set, out, settings, name, path, split=split, limit=limit, seed=seed,
            restart=False, dry_run=False,
        )  # fmt: skip
        return written_in_parts(out, _by_shard(write), engine, restart=restart, on_gpu=True)
    from specialize import datasets
    from specialize.datasets.given_texts import texts_to_score
    from specialize.teacher.dump import dump

    examples, kind = datasets.load(name, path, split=split, limit=limit), datasets.kind_of(name)
    if dry_run:
        return plan_dump(settings, examples, out, kind=kind, seed=seed)
    with opened_for(settings, place_of(out, part, restart=restart), part) as opened:
        summary = dump(
            opened, examples, out, settings, kind=kind, seed=seed, restart=restart, part=part,
            texts=texts_to_score(settings, examples),
        )  # fmt: skip
    return {**summary.as_json()}


def align_store(
    responses: Path,
    targets: Path,
    *,
    student: str,
    policy: Policy,
    top_k: int,
    temperature: float,
    threads: int | None,
    restart: bool,
    follow: bool = False,
    shard: str | None = None,
    engine: Engine = HERE,
) -> dict[str, object]:
    """Align a store without a recipe; ``shard`` and ``engine`` as of ``dump_set``."""
    part = engine.part(shard)
    if follow and (part is not None or engine.is_divided):
        raise ConfigurationError(
            "--follow is one job that reads what another writes; leave out --shard, --processes "
            "and --ray, or align once the dump is finished"
        )
    with importing():
        from specialize.targets.stage import write_targets

    if is_divided(targets, engine, restart=restart):
        write = partial(
            align_store, responses, targets, student=student, policy=policy, top_k=top_k,
            temperature=temperature, threads=threads or engine.threads, restart=False,
        )  # fmt: skip
        return written_in_parts(targets, _by_shard(write), engine, restart=restart, on_gpu=False)
    written = write_targets(
        responses, targets, student=student, policy=policy, top_k=top_k,
        temperature=temperature, threads=threads, restart=restart, part=part, follow=follow,
    )  # fmt: skip
    return {**written}


def _by_shard(write: Callable[..., object]) -> Work:
    return partial(_write_shard, write)


def _write_shard(write: Callable[..., object], part: Part) -> None:
    write(shard=str(part))


def opened_for(
    settings: Teacher, place: Path, part: Part | None
) -> AbstractContextManager[OpenedTeacher]:
    """The teacher for the store at ``place``; what a server allows is shared among the parts."""
    from specialize.teacher.opening import open_teacher

    if part is not None and settings.server is not None:
        settings = settings.model_copy(update={"server": settings.server.shared_by(part.count)})
    return open_teacher(settings, place)


def is_divided(out: Path, engine: Engine, *, restart: bool = False) -> bool:
    """Whether processes are to write parts; a finished store is looked at by this one alone."""
    return engine.is_divided and (restart or already_merged(out) is None)


def written_in_parts(
    out: Path, write: Work, engine: Engine, *, on_gpu: bool, restart: bool = False
) -> dict[str, object]:
    """Let ``engine`` write every part of the store ``out``, and merge them.

    Args:
        write, on_gpu: as of ``Engine.run``.
        restart: remove what is there first.

    Returns:
        The store's summary.
    """
    if restart:
        discard_all(out)
    engine.run(write, on_gpu=on_gpu)
    return merge_store(out)


def merge_store(out: Path) -> dict[str, object]:
    """Make one store of the parts that ``dump`` or ``align`` wrote below ``out``.

    Raises:
        StoreError: parts are missing, unfinished, damaged or of different plans; names them.
    """
    whole = already_merged(out)
    if whole is not None:
        return {**whole.summary}
    if part_kind(out) == "targets":
        from specialize.targets.stage import merge_targets

        return {**merge_targets(out)}
    from specialize.teacher.merging import merge_dump

    return {**merge_dump(out).as_json()}


def plan_dump(
    settings: Teacher, examples: Sequence[Example], out: Path, *, kind: Kind, seed: int
) -> dict[str, object]:
    """Rows, tokens, bytes, disk and time of a dump; a few responses are drawn to tell.

    A server that wants a key is not contacted: only the limits are known.
    """
    if settings.server is not None and settings.server.key_variable:
        rows = len(examples) * settings.samples
        return {
            "questions": len(examples),
            "rows": rows,
            "tokens_at_most": rows * settings.max_new_tokens,
            "pilot": "none: a dry run sends no key",
        }
    from specialize.datasets.given_texts import texts_to_score
    from specialize.teacher.asks import SHARD_SAMPLES
    from specialize.teacher.opening import open_teacher
    from specialize.teacher.planning import plan

    with open_teacher(settings, None) as opened:
        planned = plan(
            opened, examples, out, settings, kind=kind, seed=seed, shard_samples=SHARD_SAMPLES,
            texts=texts_to_score(settings, examples),
        )  # fmt: skip
    return {**planned.as_json()}
