"""Writes the results of ``scripts/real_model.sh`` as one short table.

    python scripts/real_model/table.py OUT.md LIKELIHOOD.json RUN RUN ...

One line for the teacher, for the student before training, and for the last checkpoint of each run:
all have made the same number of steps, and none was chosen. Accuracy is that of the test split; the
report has that of what was selected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from specialize.artifacts.scores import Accuracy, CheckpointScore, read_scores
from specialize.io.files import write_atomically

HEAD = "| model | {sets} | nats a token | KL from the teacher | same first choice |"


def rows_of(runs: Sequence[Path]) -> dict[str, list[CheckpointScore]]:
    """The test scores of each line."""
    found: dict[str, list[CheckpointScore]] = {}
    for run in runs:
        scores = read_scores(run / "scores.jsonl")
        asked = [s for s in scores if s.split == "test"]
        found["teacher"] = [s for s in asked if s.checkpoint.startswith("teacher-")]
        found.setdefault("before", [s for s in asked if s.step == 0])
        found[run.name] = [s for s in asked if s.step == max(each.step for each in asked)]
    return found


def line(name: str, scores: Sequence[CheckpointScore], means: Mapping[str, list[float]]) -> str:
    parts = [part for score in scores for part in _shares(score)]
    nats, kl, first = (means[key] for key in ("nats", "kl", "first"))
    measured = [_with_error(*nats), _with_error(*kl), f"{100 * first[0]:.1f} %"]
    return "| " + " | ".join([name, *parts, *measured]) + " |"


def _shares(score: CheckpointScore) -> list[str]:
    """Of every task of a set, or of the set where it has none."""
    return [_share(a) for a in (score.by_task or {"": score.accuracy}).values()]


def _share(accuracy: Accuracy) -> str:
    return f"{accuracy.correct} of {accuracy.total}"


def _with_error(value: float, error: float) -> str:
    return f"{value:.3f} ± {error:.3f}"


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("likelihood", type=click.Path(exists=True, path_type=Path))
@click.argument("runs", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
def main(out: Path, likelihood: Path, runs: tuple[Path, ...]) -> None:
    measured = json.loads(likelihood.read_text())
    found = rows_of(runs)
    sets = [
        score.set + (f", {task}" if task else "")
        for score in found["before"]
        for task in (score.by_task or {"": score.accuracy})
    ]
    lines = [HEAD.format(sets=" | ".join(sets)), "|---" * (4 + len(sets)) + "|"]
    lines += [line(name, found[name], measured["models"][name]) for name in found]
    size = f"{measured['texts']} held-out texts, {measured['tokens']:,} tokens"
    lines += ["", f"{size}; ± is one standard error over texts."]
    lines += ["Accuracy: greedy answers to the test questions.", ""]
    for pair, means in measured["more_than"].items():
        nats, kl = _with_error(*means["nats"]), _with_error(*means["kl"])
        lines.append(f"- {pair}: nats {nats}, KL {kl}")
    text = "\n".join(lines) + "\n"
    write_atomically(out, text.encode())
    click.echo(text)


if __name__ == "__main__":
    main()
