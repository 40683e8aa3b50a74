"""An experiment's page: hypothesis, design, figures, tables with intervals, verdicts, what follows.

    write_page(experiment, outcomes, Path("docs/experiments"))
        docs/experiments/X02.md  X02.json  X02-differences.svg  X02-steps.svg

The same outcomes make the same bytes; ``X02.json`` has the outcomes themselves, so that a page can
be made again without the runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from specialize.experiments import outcomes as outcomes_file
from specialize.experiments.design import Experiment, Outcome
from specialize.experiments.judgement import Difference, Judgement
from specialize.io.files import write_atomically
from specialize.report.canvas import COLOURS, INK, Drawing, draw, steps_axis


def write_page(experiment: Experiment, outcomes: Sequence[Outcome], folder: Path) -> Path:
    """Write the page, its figures and the outcomes; returns the page's path."""
    judged = Judgement(outcomes)
    figures = [_differences(experiment, judged), *_along_steps(experiment, judged)]
    for figure in figures:
        write_atomically(folder / f"{figure.name}.svg", figure.svg.encode())
    outcomes_file.write(outcomes, folder / f"{experiment.name}.json")
    path = folder / f"{experiment.name}.md"
    lines = _page(experiment, judged, outcomes, figures)
    write_atomically(path, ("\n".join(lines).rstrip() + "\n").encode())
    return path


def _page(
    experiment: Experiment,
    judged: Judgement,
    outcomes: Sequence[Outcome],
    figures: Sequence[Drawing],
) -> Iterator[str]:
    yield f"# {experiment.name}: {experiment.title}\n"
    command = f"specialize experiment {experiment.name} --out runs/{experiment.name}"
    yield f"Made by `{command} --page docs/experiments` from `{experiment.name}.json`.\n"
    yield f"**Hypothesis.** {experiment.hypothesis} ({experiment.source})\n"
    yield f"**Design.** {experiment.design}\n"
    yield "## Verdicts\n"
    yield (
        "Points of accuracy with a 95 % interval over seeds and questions, both drawn again "
        "(Owen 2007, doi:10.1214/07-AOAS122). Each stands alone: of twenty claims without anything "
        "in them one would leave 0 out by chance, and three seeds cannot show more than their own "
        "spread.\n"
    )
    yield from _verdicts(experiment, judged)
    if experiment.notes:
        yield f"\n**For a user.** {experiment.notes}"
    for figure in figures:
        yield f"\n![{figure.caption}]({figure.name}.svg)\n\n*{figure.caption}*"
    yield "\n## Every arm\n"
    yield from _arms(experiment, judged)
    if experiment.extra is not None:
        yield f"\n{experiment.extra(outcomes)}"
    seconds = sum(one.seconds for one in outcomes)
    yield f"\n{len(outcomes)} runs, {seconds / 60:.0f} minutes of processor time in all."


def _verdicts(experiment: Experiment, judged: Judgement) -> Iterator[str]:
    yield "| claim | points | verdict |\n|---|---:|---|"
    for contrast in experiment.contrasts:
        found = judged.judge(contrast)
        if found is not None:
            where = "" if contrast.role == "in-distribution" else f" ({contrast.role})"
            yield f"| {contrast.claim}{where} | {points(found)} | {found.verdict} |"


def points(found: Difference) -> str:
    """Such as ``+3.2 (0.5 to 5.8)``, in bold where the interval leaves 0 out."""
    value = f"{100 * found.value:+.1f}"
    marked = f"**{value}**" if found.low > 0 or found.high < 0 else value
    return f"{marked} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _arms(experiment: Experiment, judged: Judgement) -> Iterator[str]:
    """One row an arm: accuracies by role, differences to its partner, its teacher, its time."""
    found = [arm for arm in experiment.arms if arm.name in judged.arms]
    first, *others = experiment.columns
    heads = ["arm", first, "seeds", "less its partner"]
    heads += [head for role in others for head in (role, "less its partner")]
    yield f"| {' | '.join(heads)} | teacher: right, entropy, tail | s |"
    yield f"|---|---:|---|---:|{'---:|---:|' * len(others)}---|---:|"
    for arm in found:
        cells = [arm.name]
        for role in experiment.columns:
            reached = judged.accuracy(arm.name, role)
            cells.append(f"{100 * reached.mean:.1f}")
            if role == first:
                cells.append(" ".join(f"{100 * share:.1f}" for share in reached.by_seed))
            partner = arm.against if arm.against in judged.arms else None
            cells.append(
                points(judged.difference((arm.name,), (partner,), role)) if partner else ""
            )
        sure = judged.teacher(arm.name)
        cells.append(f"{100 * sure['right']:.0f} %, {sure['entropy']:.3f}, {sure['tail']:.4f}")
        cells.append(f"{judged.seconds(arm.name):.0f}")
        yield f"| {' | '.join(cells)} |"
    changes = [f"`{arm.name}`: `{'` `'.join(arm.changes)}`" for arm in found if arm.changes]
    yield f"\nOverrides of the base recipe: {'; '.join(changes)}." if changes else ""


# ---- figures -----------------------------------------------------------------------------------


def _differences(experiment: Experiment, judged: Judgement) -> Drawing:
    """Every arm's difference to its partner, with its interval."""
    pairs = [
        (arm.name, arm.against)
        for arm in experiment.arms
        if arm.against is not None and judged.seeds(arm.name, arm.against)
    ]

    apart = 0.3 / max(1, len(experiment.columns) - 1)

    def paint(axes: Axes) -> None:
        for place, (name, against) in enumerate(reversed(pairs)):
            for number, role in enumerate(experiment.columns):
                found = judged.difference((name,), (against,), role)
                ends = [[100 * (found.value - found.low)], [100 * (found.high - found.value)]]
                axes.errorbar(
                    [100 * found.value], [place + 0.15 - apart * number], xerr=ends, fmt="o",
                    color=COLOURS[number], capsize=2, markersize=3.5,
                    label=role if place == 0 else None,
                )  # fmt: skip
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(pairs)), labels=[name for name, _ in reversed(pairs)])
        axes.set_xlabel("points of accuracy, less the partner's")
        if pairs:
            axes.legend(loc="best", fontsize=8)

    caption = "Difference of each arm to its partner, with 95 % intervals"
    size = (6.5, 1.2 + 0.3 * len(pairs))
    return draw(f"{experiment.name}-differences", caption, paint, size=size)


def _along_steps(experiment: Experiment, judged: Judgement) -> Iterator[Drawing]:
    """How the chosen differences go on along the steps."""
    pairs = [pair for pair in experiment.curves if judged.seeds(*pair)]
    if not pairs:
        return

    def paint(axes: Axes) -> None:
        for number, (name, against) in enumerate(pairs):
            steps = judged.steps()
            found = [judged.difference((name,), (against,), step=step) for step in steps]
            aside = (number - (len(pairs) - 1) / 2) * 0.02 * max(steps)  # else they hide each other
            axes.errorbar(
                [step + aside for step in steps], [100 * each.value for each in found],
                yerr=[
                    [100 * (each.value - each.low) for each in found],
                    [100 * (each.high - each.value) for each in found],
                ],
                marker="o", markersize=3.5, capsize=2, color=COLOURS[number],
                label=f"{name} less {against}",
            )  # fmt: skip
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_ylabel("points, in-distribution")
        steps_axis(axes)
        axes.legend(loc="best", fontsize=8)

    caption = "Differences along the steps, in-distribution, with 95 % intervals"
    yield draw(f"{experiment.name}-steps", caption, paint, size=(6.5, 3.6))
