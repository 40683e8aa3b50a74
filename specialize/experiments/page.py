"""An experiment's page: hypothesis, design, figures, tables with intervals, verdicts, what follows.

    write_page(experiment, outcomes, Path("docs/experiments"))
        docs/experiments/X02.md  X02.json  X02-differences.svg  X02-steps.svg

The same outcomes make the same bytes; ``X02.json`` has the outcomes themselves, so that a page can
be made again without the runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from specialize.experiments import outcomes as outcomes_file
from specialize.experiments.design import Experiment, Outcome
from specialize.experiments.drawing import draw_differences
from specialize.experiments.judgement import Difference, Judgement
from specialize.io.files import write_atomically
from specialize.report.canvas import COLOURS, INK, Drawing, draw, steps_axis


def write_page(experiment: Experiment, outcomes: Sequence[Outcome], folder: Path) -> Path:
    """Write the page, its figures and the outcomes; returns the page's path."""
    judged = Judgement(outcomes)
    own = [experiment.figure(outcomes)] if experiment.figure is not None else []
    figures = [*own, _differences(experiment, judged), *_along_steps(experiment, judged)]
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
        f"{_measured(experiment)} with a 95 % interval over seeds and questions, both drawn again "
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


def _measured(experiment: Experiment) -> str:
    if not experiment.quantities:
        return "Points of accuracy"
    return "Points of accuracy, or what stands in brackets,"


def _verdicts(experiment: Experiment, judged: Judgement) -> Iterator[str]:
    head = "difference" if experiment.quantities else "points"
    yield f"| claim | {head} | verdict |\n|---|---:|---|"
    for contrast in experiment.contrasts:
        found = judged.judge(contrast)
        if found is not None:
            where = "" if contrast.role == "in-distribution" else f" ({contrast.role})"
            shown = amount(experiment, contrast.role, found)
            yield f"| {contrast.claim}{where} | {shown} | {found.verdict} |"


def amount(experiment: Experiment, role: str, found: Difference) -> str:
    """Points of accuracy, or, where the role is a quantity, in its unit."""
    of_role = experiment.quantity(role)
    return points(found) if of_role is None else _shown(found, of_role.digits)


def points(found: Difference) -> str:
    """Such as ``+3.2 (0.5 to 5.8)``, in bold where the interval leaves 0 out."""
    value, low, high = (100 * each for each in found[:3])
    return _shown(found._replace(value=value, low=low, high=high), 1)


def _shown(found: Difference, digits: int) -> str:
    value = f"{found.value:+.{digits}f}"
    marked = f"**{value}**" if found.low > 0 or found.high < 0 else value
    return f"{marked} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def _level(experiment: Experiment, role: str, value: float) -> str:
    of_role = experiment.quantity(role)
    return f"{100 * value:.1f}" if of_role is None else f"{value:.{of_role.digits}f}"


def _arms(experiment: Experiment, judged: Judgement) -> Iterator[str]:
    """One row an arm: accuracies by role, differences to its partner, its teacher, its time."""
    shown = [arm for arm in experiment.arms if arm.name in judged.arms]
    first, *others = experiment.columns
    heads = ["arm", first, "seeds", "less its partner"]
    heads += [head for role in others for head in (role, "less its partner")]
    yield f"| {' | '.join(heads)} | teacher: right, entropy, tail | s |"
    yield f"|---|---:|---|---:|{'---:|---:|' * len(others)}---|---:|"
    for arm in shown:
        cells = [arm.name]
        for role in experiment.columns:
            if not judged.has(arm.name, role):
                cells += [""] * (3 if role == first else 2)
                continue
            reached = judged.accuracy(arm.name, role)
            cells.append(_level(experiment, role, reached.mean))
            if role == first:
                cells.append(" ".join(_level(experiment, role, each) for each in reached.by_seed))
            partner = arm.against if arm.against in judged.arms else None
            if partner is None or not judged.has(partner, role):
                cells.append("")
            else:
                found = judged.difference((arm.name,), (partner,), role)
                cells.append(amount(experiment, role, found))
        cells.append(_teacher(judged.teacher(arm.name)))
        cells.append(f"{judged.seconds(arm.name):.0f}")
        yield f"| {' | '.join(cells)} |"
    changes = [f"`{arm.name}`: `{'` `'.join(arm.changes)}`" for arm in shown if arm.changes]
    yield f"\nOverrides of the base recipe: {'; '.join(changes)}." if changes else ""


def _teacher(sure: Mapping[str, float]) -> str:
    """What there is of it."""
    forms = {"right": "{:.0%}", "entropy": "{:.3f}", "tail": "{:.4f}"}
    said = [form.format(sure[key]) for key, form in forms.items() if key in sure]
    return ", ".join(said).replace("%", " %")


# ---- figures -----------------------------------------------------------------------------------


def _differences(experiment: Experiment, judged: Judgement) -> Drawing:
    """Every arm's difference to its partner, with its interval."""
    pairs = [
        (arm.name, arm.against)
        for arm in experiment.arms
        if arm.against is not None and judged.seeds(arm.name, arm.against)
    ]

    unit = _unit(experiment, experiment.columns[0])
    roles = [role for role in experiment.columns if _unit(experiment, role) == unit]
    apart = 0.3 / max(1, len(roles) - 1)
    times = 1 if experiment.quantity(roles[0]) else 100

    def paint(axes: Axes) -> None:
        for place, (name, against) in enumerate(reversed(pairs)):
            for number, role in enumerate(roles):
                found = judged.difference((name,), (against,), role)
                ends = [[times * (found.value - found.low)], [times * (found.high - found.value)]]
                axes.errorbar(
                    [times * found.value], [place + 0.15 - apart * number], xerr=ends, fmt="o",
                    color=COLOURS[number], capsize=2, markersize=3.5,
                    label=role if place == 0 else None,
                )  # fmt: skip
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(pairs)), labels=[name for name, _ in reversed(pairs)])
        axes.set_xlabel(f"{unit}, less the partner's")
        if pairs:
            axes.legend(loc="best", fontsize=8)

    caption = "Difference of each arm to its partner, with 95 % intervals"
    size = (6.5, 1.2 + 0.3 * len(pairs))
    return draw(f"{experiment.name}-differences", caption, paint, size=size)


def _unit(experiment: Experiment, role: str) -> str:
    of_role = experiment.quantity(role)
    return "points of accuracy" if of_role is None else of_role.unit


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
            draw_differences(
                axes, [step + aside for step in steps], found, colour=COLOURS[number],
                label=f"{name} less {against}",
            )  # fmt: skip
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_ylabel("points, in-distribution")
        steps_axis(axes)
        axes.legend(loc="best", fontsize=8)

    caption = "Differences along the steps, in-distribution, with 95 % intervals"
    yield draw(f"{experiment.name}-steps", caption, paint, size=(6.5, 3.6))
