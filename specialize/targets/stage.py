"""The align stage: a store of teacher responses -> a store of targets in a student's vocabulary.

Every response keeps its key, text and verdict; its rows become one row per token of the student,
the end of sequence included::

    responses   " $" {" $": .9, " a": .1}   "12" {"12": .7, "10": .2, tail .1}
    targets     "▁$12" {"▁$12": .63, "▁$10": .18, ...}   "</s>" {"</s>": 1}

Shard i of the targets comes from shard i of the responses, so that a killed run continues. The
teacher is known by the pieces in its store alone; no model is loaded. A store of texts alone
(k = 0) becomes hard rows: one entry of probability 1 for each token of the student.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from align import Learned, Projector
from align.project import Policy
from specialize.errors import ConfigurationError, NothingPassedError
from specialize.io.cores import usable_cores
from specialize.io.forked import can_fork, forked
from specialize.io.garbage import seldom_collected
from specialize.io.part import Part
from specialize.io.progress import progress
from specialize.store import (
    Store,
    StoreDescription,
    StoreWriter,
    ahead,
    committing,
    merging,
    passes,
    place_of,
)
from specialize.store.layout import STORE, read_plain
from specialize.store.reader import read_store_file
from specialize.store.sealed import Json
from specialize.store.shard_file import EncodedShard, encode_shard
from specialize.targets.counts import summarize, token_classes
from specialize.targets.ends import Ends, ends_of
from specialize.targets.learning import learn_together
from specialize.targets.processes import EACH, MOST
from specialize.targets.projecting import Job, Keep, Prepared
from specialize.targets.source import Source
from specialize.targets.spool import Spool
from specialize.targets.tempering import ROW_TEMPERATURE, Warmth, tail_column
from specialize.tokens import Tokenizer, load_tokenizer
from specialize.tokens.library_threads import library_threads

Item = TypeVar("Item")


@seldom_collected()
def write_targets(
    responses: str | Path,
    targets: str | Path,
    *,
    student: str,
    policy: Policy = "prefix",
    top_k: int = 5,
    keep: Keep = "all",
    temperature: float = 1.0,
    threads: int | None = None,
    restart: bool = False,
    part: Part | None = None,
    follow: bool = False,
) -> dict[str, Json]:
    """Project every response of ``responses`` into the vocabulary of ``student``.

    Args:
        responses: a finished store.
        targets: the new store's directory; continued if it holds one of the same settings.
        student: directory, tokenizer file or hub id.
        policy, top_k: how rows are projected, and entries kept of each.
        temperature: of the rows; other than 1 only where tails were stored at it.
        keep: ``correct`` leaves out responses that are not known to be right.
        threads: how many work at once, as processes where there are four shards for each and they
            can be forked; None: one a core. No result depends on it.
        restart: remove ``targets`` and begin again.
        part: these shards alone, below ``targets``, for ``merge_targets``. None: the whole.
        follow: ``responses`` may be still being written, and is read up to its end.

    Returns:
        Counts: samples, positions, soft and hard rows by kind, mean masses of the soft rows.

    Raises:
        StoreError: the responses are damaged, unfinished or no responses.
        ConfigurationError: no end of sequence, no tail at ``temperature``, or other settings.
        NothingPassedError: no response is left.
    """
    passes.load()  # kernels are at work
    source = Source(responses, follow=follow, part=part)
    tokenizer = load_tokenizer(student)
    wanted = _Wanted(tokenizer, policy, top_k, keep, temperature, threads or usable_cores())
    _check(source.store, tokenizer)
    place = place_of(Path(targets), part, restart=restart)
    with wanted.writer(place, source.store, restart=restart) as writer:
        return _write(writer, source, wanted, part)


def merge_targets(targets: Path) -> dict[str, Json]:
    """Make one store of the parts at ``targets``, byte for byte that of one job.

    Raises:
        StoreError: parts are missing, unfinished, damaged or of different plans; names them.
        LockedError: another process writes the whole.
        NothingPassedError: no response is left.
    """
    with merging(targets) as merged:
        about = merged.writer.description
        summary = summarize(merged.writer.counts, about)
        _refuse_nothing(summary, f"responses of {targets}", about.settings["keep"])
        merged.finish(summary)
    return summary


def describe_targets(
    responses: Path, *, student: str, policy: Policy, top_k: int, temperature: float
) -> StoreDescription:
    """What the store that ``write_targets`` makes of these arguments says of itself.

    Raises:
        StoreError: ``responses`` is damaged, unfinished or no store.
    """
    wanted = _Wanted(load_tokenizer(student), policy, top_k, "all", temperature)
    return wanted.describe(Store.open(responses))


def _refuse_nothing(summary: Mapping[str, Json], what: str, keep: Json) -> None:
    """A teacher without responses has empty targets; to leave out every response is a mistake."""
    if not summary["samples"] and summary["left_out"]:
        raise NothingPassedError(
            f"none of {summary['left_out']:,} {what} is left with keep={keep!r}"
        )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What targets are wanted of responses."""

    tokenizer: Tokenizer
    policy: Policy
    top_k: int
    keep: Keep
    temperature: float
    workers: int = 1

    def describe(self, store: Store, *, whole: bool | None = None) -> StoreDescription:
        """Teacher, prompt and data of the responses; tokenizer of the student.

        Args:
            store: of responses.
            whole: name all its shards; else the first alone, by which targets are called that are
                begun before the store is finished. None: as it is.
        """
        source = store.description
        if whole is None:
            whole = store.is_finished
        return StoreDescription(
            kind="targets",
            teacher=source.teacher,
            revision=source.revision,
            dtype=source.dtype,
            temperature=source.temperature,
            prompt=source.prompt,
            dataset=source.dataset,
            tokenizer=self.tokenizer.name,
            fingerprint=self.tokenizer.fingerprint,
            vocabulary_size=self.tokenizer.size,
            k=self.top_k if source.k else 1,
            settings={
                "responses": f"sha256:{store.digest}"
                if whole
                else f"those that begin with sha256:{store.beginning}",
                "policy": self.policy,
                "words": "observed" if self.policy == "prefix" else None,
                "keep": self.keep,
                "tail": source.settings.get("tail"),
                **({} if self.temperature == 1 else {ROW_TEMPERATURE: self.temperature}),
            },
        )

    def writer(self, place: Path, store: Store, *, restart: bool) -> StoreWriter:
        """Writes the targets of ``store`` at ``place``, or goes on with them."""
        _, shard_samples = read_store_file(store.path)
        about, begun = (self.describe(store, whole=whole) for whole in (None, False))
        return StoreWriter(
            place, about, shard_samples=shard_samples, restart=restart, begun_as=begun
        )

    def job(self, store: Store) -> Job:
        """How the responses are projected."""
        processes = min(self.workers, MOST) if can_fork() else 1
        threads = 1 if can_fork() else self.workers  # few shards gain nothing by threads either
        projector = _projector(store, self.tokenizer, self.policy, self.top_k, threads)
        ends = _ends(store, projector, self.tokenizer.fingerprint)
        classes = token_classes(self.tokenizer.vocabulary())
        return Job(
            projector, self.tokenizer, classes, self.top_k, self.keep, threads, ends, processes
        )


def _write(
    writer: StoreWriter, source: Source, wanted: _Wanted, part: Part | None
) -> dict[str, Json]:
    """Write what is missing and close the store, or its part; the counts of all that is there."""
    if not writer.finished:
        _write_missing(writer, source, wanted, part)
        writer.describe(wanted.describe(source.store))
    summary = summarize(writer.counts, writer.description)
    if part is None:
        _refuse_nothing(summary, f"responses in {source.store.path}", wanted.keep)
    if not writer.finished:
        writer.finish(wanted.tokenizer.vocabulary(), summary)
    return summary


def _write_missing(writer: StoreWriter, source: Source, wanted: _Wanted, part: Part | None) -> None:
    """Project the shards that are not there yet.

    The policy ``prefix`` learns from all texts before the first is projected, also where some
    targets are there already: a shard's targets must not depend on where the stage was interrupted.
    What was made of the texts is kept for the projection.
    """
    store = source.store
    job, warmth = (
        wanted.job(store),
        Warmth(wanted.temperature, tail_column(store, wanted.temperature)),
    )
    with library_threads(job.threads), Spool(writer.path.parent) as spool:
        if part is not None:
            _learn_with_others(writer, store, job, spool, part)
            _project_missing(writer, store, job, spool, warmth, part.of(len(store.records)))
            return
        for numbers in source.batches():
            if job.learns:
                _learn(source.store, job, spool, numbers)
            else:
                _project_missing(writer, source.store, job, spool, warmth, numbers)
        if job.learns:
            job = _with_whole_vocabulary(job, source.store, wanted) if source.grew else job
            every = range(len(source.store.records))
            _project_missing(writer, source.store, job, spool, warmth, every)


def _learn(store: Store, job: Job, spool: Spool, numbers: Sequence[int]) -> None:
    """Learn from the texts of some shards; what was made of them goes into ``spool``."""
    projector = job.projector
    if projector is None:
        return
    forks = _forks(job, numbers)
    # a forked process learns apart, and with its last shard hands over all that it has
    apart, last = projector.unlearned(), numbers[-forks:] if forks else []

    def read(number: int) -> tuple[Prepared, Learned | None]:
        (texts,) = store.texts([number])
        learner = apart if forks and number != numbers[0] else projector
        prepared = replace(job, projector=learner).observe(texts, job.prepare(texts))
        return prepared, apart.learned() if number in last else None

    total = sum(store.shard_sizes[i] for i in numbers)
    with progress("read words", total) as advance, closing(_each(read, numbers, job)) as made:
        for i, (prepared, learned) in made:
            if learned is not None:
                projector.learn(learned)
            if prepared.offsets is not None:
                spool.append(i, prepared)
            advance(store.shard_sizes[i])


def _forks(job: Job, numbers: Sequence[int]) -> int:
    """How many processes are forked for the shards ``numbers``; 0: they are worked on here."""
    processes = min(job.processes, len(numbers) // EACH)
    return processes if processes > 1 else 0


def _each(
    work: Callable[[int], Item], numbers: Sequence[int], job: Job, *, files: Collection[int] = ()
) -> Generator[tuple[int, Item], None, None]:
    """``work(number)`` of each of ``numbers``, in their order, several at once."""
    processes = _forks(job, numbers)
    if not processes:
        yield from ahead(((number, work(number)) for number in numbers), job.threads)
        return
    # the first is made here: what is compiled and loaded for it is then in every process
    yield numbers[0], work(numbers[0])
    yield from forked(work, numbers[1:], processes, files=files)


def _learn_with_others(
    writer: StoreWriter, store: Store, job: Job, spool: Spool, part: Part
) -> None:
    """Learn from all texts, of which other jobs read the parts that they write."""

    projector = job.projector
    if projector is None or not job.learns:
        return

    def learn(each: Part) -> Learned:
        apart = projector.unlearned()
        with Spool(writer.path.parent) as unused:
            kept, numbers = spool if each == part else unused, each.of(len(store.records))
            _learn(store, replace(job, projector=apart), kept, numbers)
        return apart.learned()

    digest = hashlib.sha256(read_plain(writer.path / STORE)).hexdigest()
    for learned in learn_together(writer.path.parents[1], part, digest, learn):
        projector.learn(learned)


def _project_missing(
    writer: StoreWriter,
    store: Store,
    job: Job,
    spool: Spool,
    warmth: Warmth,
    planned: Sequence[int],
) -> None:
    sizes = store.shard_sizes
    missing = [i for i in planned if i not in writer.committed]

    def project(number: int) -> EncodedShard:
        shard = warmth.of(store.shard(number))
        prepared = spool.read(number) if number in spool else job.prepare(shard.texts)
        targets, counts = job.project(shard, prepared)
        return encode_shard(number, targets, writer.description, counts)

    total = sum(sizes[i] for i in planned)
    done = total - sum(sizes[i] for i in missing)
    with (
        progress(f"align {writer.path.name}", total, done=done) as advance,
        committing(writer) as commit,
        closing(_each(project, missing, job, files=[spool.fileno()])) as made,
    ):
        for i, encoded in made:
            commit(i, encoded, encoded.record.counts)
            advance(sizes[i])


def _check(store: Store, tokenizer: Tokenizer) -> None:
    if store.description.kind != "responses":
        raise ConfigurationError(f"{store.path} holds {store.description.kind}, not responses")
    if tokenizer.eos is None:
        raise ConfigurationError(
            f"tokenizer {tokenizer.name} has no end of sequence, so a student could not learn to "
            f"stop; name it in tokenizer_config.json as eos_token"
        )


def _with_whole_vocabulary(job: Job, store: Store, wanted: _Wanted) -> Job:
    """What ``job`` learned, with the vocabulary that a finished ``store`` has.

    How candidates are read depends on all pieces that are in use; what is learned does not.
    """
    made = wanted.job(store)
    if job.projector is not None and made.projector is not None:
        made.projector.learn(job.projector.learned())
    return made


def _ends(store: Store, projector: Projector | None, fingerprint: str) -> Ends | None:
    """What ends the teacher's texts.

    With one tokenizer on both sides rows are carried over as they are, each end with its own mass:
    only the last token takes the student's end.
    """
    if projector is None:
        return None
    adds_up = store.description.fingerprint != fingerprint
    return ends_of(store.description, projector.source, adds_up=adds_up)


def _projector(
    store: Store, tokenizer: Tokenizer, policy: Policy, top_k: int, threads: int
) -> Projector | None:
    """None where there are texts alone.

    Where both have one tokenizer its whole vocabulary is used on both sides, which the projector
    recognizes: rows are then carried over as they are.
    """
    if not store.description.k:
        return None
    target = tokenizer.vocabulary()
    same = store.description.fingerprint == tokenizer.fingerprint
    source = target if same else store.align_vocabulary()
    return Projector(
        source,
        target,
        policy=policy,
        encode=partial(tokenizer.encode_ragged, threads=threads),
        keep=top_k,
        threads=threads,
    )
