"""The simulated cluster against real runs of parts, on one machine.

    python scripts/bench/plan_cluster.py OUT [--shards 24] [--pause 2]

A teacher that takes ``--pause`` seconds a shard, as a served one would, whatever else the machine
does, is dumped by one process, by two, by four, and by four of which one is killed at its second
shard. The run of one process gives start, shard and merge; the others are forecast from these, so
that more processes than cores, whose starts wait for one another, take longer than that.
Prints one JSON object: seconds forecast and taken, and their ratio.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from functools import partial
from pathlib import Path

import click
import numpy as np

from specialize.config import trust
from specialize.config.teacher import Teacher
from specialize.engines import Engine
from specialize.io.part import Part
from specialize.io.progress import set_verbosity
from specialize.planning.cluster import Job, simulate
from specialize.planning.figures import Cluster
from specialize.stages.stores import dump_set, merge_store
from specialize.teacher.asks import SHARD_SAMPLES

ROOT = Path(__file__).parents[2]
TEACHER = """
import os, signal, time
from pathlib import Path
import numpy as np
from align import one_hot
from specialize.teacher.protocol import ScoredText, TeacherDescription
from specialize.tokens import load_tokenizer

class Slow:
    continues, context = True, None

    def __init__(self, tokenizer):
        self.tokenizer = t = tokenizer
        self.description = TeacherDescription("slow", "1", "exact", t.name, t.fingerprint, t.size)
        self.calls = 0

    def sample(self, prompts, seeds, settings):
        self.calls += 1
        with open(os.environ["CALLS"], "a") as file:
            file.write(f"{os.getpid()} {time.time()}\\n")
        mark = Path(os.environ["KILL"])
        if self.calls == 2 and mark.exists():
            mark.unlink(missing_ok=True)
            time.sleep(PAUSE / 2)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(PAUSE)
        ids = np.array(self.tokenizer.encode("The answer is 3", eos=True), np.int32)
        none = np.zeros(len(ids), np.float32)
        text = ScoredText("The answer is 3", ids, none, one_hot(ids), "eos")
        return [text] * len(prompts)

    def prompt_tokens(self, prompts):
        return [tuple(ids) for ids in self.tokenizer.encode_prompts(prompts)]

def open_teacher(settings):
    return Slow(load_tokenizer(TOKENIZER))
"""


def dump_part(out: Path, teacher: Path, questions: Path, part: Part) -> None:
    """One part, in a process of the pool."""
    dump_set(
        out, Teacher(model=str(teacher), top_logprobs=1), "jsonl", str(questions), split=None,
        limit=None, seed=0, restart=False, dry_run=False, shard=str(part),
    )  # fmt: skip


def measured(out: Path, folder: Path, processes: int, *, kill: bool) -> dict[str, float]:
    """Seconds until all parts are there, until they are merged, and of start and shards."""
    calls, mark = out.with_suffix(".calls"), out.with_suffix(".kill")
    os.environ |= {"CALLS": str(calls), "KILL": str(mark)}
    if kill:
        mark.touch()
    began, wall = time.monotonic(), time.time()
    work = partial(dump_part, out, folder / "slow.py", folder / "questions.jsonl")
    Engine(processes=processes).run(work, on_gpu=False) if processes > 1 else _alone(work)
    parts = time.monotonic() - began
    merge_store(out)
    whole = time.monotonic() - began
    at = np.array([float(line.split()[1]) for line in calls.read_text().splitlines()])
    gaps = np.diff(at) if processes == 1 else np.zeros(1)
    return {"start": at[0] - wall, "shard": float(gaps.mean()), "parts": parts, "whole": whole}


def _alone(work: partial[None]) -> None:
    from specialize.engines.pool import run_parts

    run_parts(work, 1)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--shards", default=24, show_default=True)
@click.option("--pause", default=2.0, show_default=True)
def main(out: Path, shards: int, pause: float) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    set_verbosity("quiet")
    source = TEACHER.replace("PAUSE", str(pause)).replace(
        "TOKENIZER", repr(str(ROOT / "specialize" / "quickstart" / "models" / "student"))
    )
    (out / "slow.py").write_text(source)
    rows = [
        {"id": f"q{n}", "question": f"{n} + 1 = ?", "answer": "3"}
        for n in range(shards * SHARD_SAMPLES)
    ]
    (out / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    trust.allow_code(str(out / "slow.py"))
    one = measured(out / "one", out, 1, kill=False)
    merge = one["whole"] - one["parts"]
    job = Job([one["shard"]] * shards, start=one["start"], merge=merge)
    found: dict[str, object] = {"load": os.getloadavg()[0], "one process": one}
    for name, processes, kill in (("two", 2, False), ("four", 4, False), ("killed", 4, True)):
        took = measured(out / name, out, processes, kill=kill)
        forecast = float(simulate(job, Cluster(workers=processes), runs=1).seconds[0])
        if kill:  # half of its second shard is lost, then it starts again and repeats that shard
            forecast += one["start"] + pause / 2
        found[name] = {
            "forecast": round(forecast, 1), "took": round(took["whole"], 1),
            "ratio": round(forecast / took["whole"], 3),
        }  # fmt: skip
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
