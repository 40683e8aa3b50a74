"""Stages that the tests kill: dump and align of three shards, each run in a child of its own.

    python -m tests.support.killed_stages every dump DIR           before each file operation
    python -m tests.support.killed_stages random align DIR 200     at random moments
    python -m tests.support.killed_stages race dump DIR 20         two at once, and a reader
    unshare -rm python -m tests.support.killed_stages full dump DIR 60     a disk of 8 MB

Every stage that was killed is run again, some after a second kill; then its store must have the
bytes of one that was not. One JSON object tells what happened. The parent itself runs no stage: a
child would inherit locks of threads that it does not have.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from specialize.config.recipe import Teacher
from specialize.errors import SpecializeError
from specialize.io import fault_injection
from specialize.quickstart.run import MODELS
from specialize.records import Example
from specialize.store import Sample, Store
from specialize.targets.stage import write_targets
from specialize.teacher.dump import dump
from specialize.teacher.protocol import Finish
from specialize.tokens import load_tokenizer
from tests.support.scripted_teacher import ScriptedTeacher
from tests.support.store_samples import tree

SHARDS, PER_SHARD, SAMPLES = 3, 6, 3
DISK = 8 << 20  # bytes
Stage = Callable[[Path], None]


def _examples(count: int) -> list[Example]:
    """``count`` sums; each answer is right for the first two samples of the teacher below."""
    return [
        Example(
            f"toy/train/{i:05d}", f"Ann has {i} apples and gets {i + 2}. How many?", str(2 * i + 2)
        )
        for i in range(count)
    ]


def _says(prompt: str, turn: int) -> tuple[str, Finish]:
    first = int(prompt.split("Ann has ")[1].split()[0])
    return f"She has {first} + {first + 2}.\nThe answer is {2 * first + 2 + turn // 2}", "eos"


def _says_much(prompt: str, turn: int) -> tuple[str, Finish]:
    text, finish = _says(prompt, turn)
    return "She counts them one by one. " * 40 + text, finish


def dump_stage(*, shards: int = SHARDS, large: bool = False) -> Stage:
    """A dump of a teacher without a model, whose texts and rows follow from prompt and seed.

    Shards of a ``large`` one take a megabyte each.
    """
    tokenizer = load_tokenizer(MODELS / "teacher")
    settings = Teacher(samples=SAMPLES, max_new_tokens=2000, top_logprobs=100 if large else 5)
    examples = _examples(shards * PER_SHARD // SAMPLES)

    def stage(out: Path) -> None:
        teacher = ScriptedTeacher(tokenizer, _says_much if large else _says)
        dump(teacher, examples, out, settings, seed=5, shard_samples=PER_SHARD)

    return stage


def align_stage(responses: Path) -> Stage:
    """The targets of that dump, in the vocabulary of the bundled student."""
    stage_of_responses = dump_stage()
    assert in_child(partial(stage_of_responses, responses)) == 0

    def stage(out: Path) -> None:
        write_targets(responses, out, student=str(MODELS / "student"))

    return stage


def in_child(work: Callable[[], None], *, kill: Callable[[], None] | None = None) -> int:
    """Do ``work`` in a child, killed when ``kill`` returns; its exit code, or minus the signal."""
    child = start_child(work)
    if kill is not None:
        kill()
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def start_child(work: Callable[[], None]) -> int:
    """A child that does ``work`` and leaves with the exit code of its error."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except SpecializeError as error:
        os._exit(error.exit_code)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def _armed(stage: Stage, out: Path, fatal: int) -> int:
    def work() -> None:
        fault_injection.arm(fatal)
        stage(out)

    return in_child(work)


def every(stage: Stage, folder: Path) -> dict[str, object]:
    """Kill before each file operation in turn, resume, compare."""
    assert _armed(stage, folder / "whole", 0) == 0
    whole = visible(folder / "whole")
    differing: list[int] = []
    killed_twice = fatal = 0
    while True:
        fatal += 1
        out = folder / f"killed-{fatal}"
        if _armed(stage, out, fatal) == 0:
            return {
                "operations": fatal - 1, "killed_twice": killed_twice, "differing": differing
            }  # fmt: skip
        if fatal % 3 == 0:
            killed_twice += _armed(stage, out, 1 + fatal // 2) == -signal.SIGKILL
        if _armed(stage, out, 0) != 0 or visible(out) != whole:
            differing.append(fatal)


def random(stage: Stage, folder: Path, kills: int) -> dict[str, object]:
    """Kill at random moments until ``kills`` have hit, resume each, compare.

    Every other moment is drawn from the time in which shards are written, which is short.
    """
    rng = np.random.default_rng(kills)
    for name in ("compiling", "whole"):  # the first run may have kernels to compile
        started = time.time()
        assert in_child(partial(stage, folder / name)) == 0
    duration = time.time() - started
    first = min(path.stat().st_mtime for path in (folder / "whole" / "shards").iterdir())
    writing = started + duration - first
    whole = visible(folder / "whole")
    hit = missed = twice = 0
    shards = [0] * (SHARDS + 2)  # committed when the kill came; the last: finished
    differing: list[int] = []
    while hit < kills:
        out = folder / f"random-{hit}-{missed}"
        moment = _moment(out, rng, *((duration, False) if hit % 2 else (writing, True)))
        if in_child(partial(stage, out), kill=moment) == 0:
            missed += 1  # it was done before
            continue
        hit += 1
        shards[_committed(out)] += 1
        if hit % 3 == 0:
            again = _moment(out, rng, duration, False)
            twice += in_child(partial(stage, out), kill=again) != 0
        if in_child(partial(stage, out)) != 0 or visible(out) != whole:
            differing.append(hit)
    return {
        "killed": hit, "killed_twice": twice, "too_late": missed, "seconds": round(duration, 3),
        "committed_when_killed": shards, "differing": differing,
    }  # fmt: skip


def _moment(
    out: Path, rng: np.random.Generator, most: float, from_first_file: bool
) -> Callable[[], None]:
    seconds = rng.uniform(0, most)

    def wait() -> None:
        latest = time.monotonic() + 60
        while from_first_file and not any((out / "shards").glob("*")):
            assert time.monotonic() < latest, f"no writer in {out}"
            time.sleep(0.0002)
        time.sleep(seconds)

    return wait


def _committed(out: Path) -> int:
    """How many shards there are; one more than all when the store is finished."""
    manifest = out / "manifest.jsonl"
    lines = manifest.read_bytes().count(b"\n") if manifest.exists() else 0
    return lines + (out / "summary.json").exists()


def race(stage: Stage, folder: Path, rounds: int) -> dict[str, object]:
    """Two writers begin at once and a reader watches; the loser leaves with exit code 6."""
    assert in_child(partial(stage, folder / "whole")) == 0
    whole = visible(folder / "whole")
    expected = {sample.response.key: sample for sample in Store.open(folder / "whole")}
    outcomes: list[tuple[int, ...]] = []
    seen: set[int] = set()
    wrong = 0
    for number in range(rounds):
        out = folder / f"race-{number}"
        children = [start_child(partial(stage, out)) for _ in range(2)]
        codes: dict[int, int] = {}
        while len(codes) < 2:
            for child in set(children) - codes.keys():
                found, status = os.waitpid(child, os.WNOHANG)
                if found:
                    codes[child] = os.waitstatus_to_exitcode(status)
            if (out / "store.json").exists():
                store = Store.open(out, allow_partial=True)
                read = list(store)
                seen.add(len(read))
                wrong += any(not _same(one, expected[one.response.key]) for one in read)
                wrong += len(read) % PER_SHARD != 0
        outcomes.append(tuple(sorted(codes.values())))
        wrong += visible(out) != whole
    told = {str(codes): outcomes.count(codes) for codes in sorted(set(outcomes))}
    return {"rounds": rounds, "exit_codes": told, "reader_saw": sorted(seen), "wrong": wrong}


def full(folder: Path, points: int) -> dict[str, object]:
    """Dump onto a disk of 8 MB with less and less else on it, make room, continue, compare.

    Needs the right to mount a file system, as ``unshare -rm`` gives it.
    """
    stage = dump_stage(shards=6, large=True)
    assert in_child(partial(stage, folder / "whole")) == 0
    whole = visible(folder / "whole")
    needed = sum(map(len, whole.values()))
    disk = folder / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(disk)]
    subprocess.run(command, check=True)
    codes: list[int] = []
    committed: set[int] = set()
    differing, damaged = [], 0
    for point in range(points):
        out, ballast = disk / "store", disk / "ballast"
        ballast.write_bytes(bytes(DISK - 4096 * 8 - (needed * point // points)))
        codes.append(in_child(partial(stage, out)))
        committed.add(_committed(out))
        damaged += not _holds_only(out, whole)
        ballast.unlink()
        if in_child(partial(stage, out)) != 0 or visible(out) != whole:
            differing.append(point)
        shutil.rmtree(out)
    told = {str(code): codes.count(code) for code in sorted(set(codes))}
    return {
        "bytes": needed, "exit_codes": told, "committed_when_full": sorted(committed),
        "damaged": damaged, "differing": differing,
    }  # fmt: skip


def _holds_only(out: Path, whole: dict[str, bytes]) -> bool:
    """Whether all that can be read is what it should be, and nothing is left of what failed."""
    if not (out / "store.json").exists():
        return not any(out.rglob(".tmp-*"))
    lines = (out / "manifest.jsonl").read_bytes() if (out / "manifest.jsonl").exists() else b""
    read = list(Store.open(out, allow_partial=True))
    files = {n: c for n, c in visible(out).items() if n.startswith("shards/")}
    return (
        whole["manifest.jsonl"].startswith(lines)
        and len(read) == PER_SHARD * lines.count(b"\n")
        and not any(out.rglob(".tmp-*"))
        and all(whole[name] == content for name, content in files.items())
    )


def _same(one: Sample, other: Sample) -> bool:
    return one.response == other.response and all(
        np.array_equal(a, b) for a, b in zip(_arrays(one), _arrays(other), strict=True)
    )


def _arrays(one: Sample) -> tuple[np.ndarray, ...]:
    rows = one.distributions
    return one.token_id, one.token_logprob, rows.indptr, rows.ids, rows.logprobs, rows.tail


def visible(root: Path) -> dict[str, bytes]:
    """The files of a store, without those of its lock."""
    return {name: content for name, content in tree(root).items() if not name.startswith(".")}


if __name__ == "__main__":
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads do not survive a fork
    how, which, where, *counts = sys.argv[1:]
    place = Path(where)
    place.mkdir(parents=True, exist_ok=True)
    if how == "full":
        outcome = full(place, int(counts[0]))
    else:
        chosen = dump_stage() if which == "dump" else align_stage(place / "responses")
        outcome = (
            every(chosen, place)
            if how == "every"
            else (random if how == "random" else race)(chosen, place, int(counts[0]))
        )
    print(json.dumps(outcome))
