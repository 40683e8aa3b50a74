"""Writes the results of ``scripts/real_model.sh`` as two short tables.

    python scripts/real_model/table.py OUT.md LIKELIHOOD.json RUN RUN ...

Accuracy on the test split, which is kept for what was selected: of the teacher, of the student
before training, and of each run's selected step. Nats and KL on the held-out texts, which selection
never saw: of the last step of each run, after as many steps in all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from specialize.artifacts.scores import Accuracy, CheckpointScore, read_scores
from specialize.io.files import write_atomically

MEASURED = "| model, last step | nats a token | KL from the teacher | same first choice |"


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


def accuracies(found: Mapping[str, Sequence[CheckpointScore]]) -> list[str]:
    """The first table."""
    sets = [
        score.set + (f", {task}" if task else "")
        for score in found["before"]
        for task in (score.by_task or {"": score.accuracy})
    ]
    lines = [_row("model, test questions", *sets), "|---" * (1 + len(sets)) + "|"]
    for name, scores in found.items():
        step = scores[0].step if name not in ("teacher", "before") else None
        shown = name if step is None else f"{name}, step {step}"
        lines.append(_row(shown, *(part for score in scores for part in _shares(score))))
    return lines


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def likelihoods(models: Mapping[str, Mapping[str, list[float]]]) -> list[str]:
    """The second table."""
    lines = [MEASURED, "|---" * 4 + "|"]
    for name, means in models.items():
        nats, kl, first = (means[key] for key in ("nats", "kl", "first"))
        agreed = f"{100 * first[0]:.1f} %"
        lines.append(_row(name, _with_error(*nats), _with_error(*kl), agreed))
    return lines


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
    lines = [*accuracies(rows_of(runs)), "", *likelihoods(measured["models"])]
    size = f"{measured['texts']} held-out texts, {measured['tokens']:,} tokens"
    lines += ["", f"{size}; ± is one standard error over texts.", ""]
    for pair, means in measured["more_than"].items():
        nats, kl = _with_error(*means["nats"]), _with_error(*means["kl"])
        lines.append(f"- {pair}: nats {nats}, KL {kl}")
    text = "\n".join(lines) + "\n"
    write_atomically(out, text.encode())
    click.echo(text)


if __name__ == "__main__":
    main()
