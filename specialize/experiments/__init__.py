"""Questions about the method, as grids of runs: design, cells, outcomes, a page.

    specialize experiment ls
    specialize experiment X02 --out runs/X02            every cell is an ordinary run's directory
    specialize experiment X02 --out runs/X02 --page docs/experiments

A new experiment is one file here that builds an ``Experiment``, and one line below.
"""

from __future__ import annotations

from collections.abc import Mapping

from specialize.errors import ConfigurationError
from specialize.experiments.design import Experiment
from specialize.experiments.x01_scale import SCALE
from specialize.experiments.x02_samples import SAMPLES
from specialize.experiments.x03_formats import FORMATS
from specialize.experiments.x04_start import START
from specialize.experiments.x05_batches import BATCHES
from specialize.experiments.x06_negatives import NEGATIVES
from specialize.experiments.x07_selection import SELECTION
from specialize.experiments.x08_step_by_step import STEP_BY_STEP
from specialize.experiments.x09_teachers import ASKING, TEACHERS
from specialize.experiments.x10_projection import PROJECTION
from specialize.experiments.x11_real_pair import REAL_PAIR
from specialize.experiments.x12_rationales import RATIONALES
from specialize.experiments.x13_strengths import STRENGTH
from specialize.experiments.x14_two_teachers import TWO_TEACHERS
from specialize.experiments.x15_several_right import SEVERAL_RIGHT
from specialize.experiments.x16_rounds import ROUNDS
from specialize.experiments.x17_causes import CAUSES

EXPERIMENTS: Mapping[str, Experiment] = {
    each.name: each
    for each in (
        SCALE, SAMPLES, FORMATS, START, BATCHES, NEGATIVES, SELECTION, STEP_BY_STEP, TEACHERS,
        ASKING, PROJECTION, REAL_PAIR, RATIONALES, STRENGTH, TWO_TEACHERS,
        SEVERAL_RIGHT, ROUNDS, CAUSES,
    )
}  # fmt: skip


def find_experiment(name: str) -> Experiment:
    """The experiment of that name, in any case.

    Raises:
        ConfigurationError: there is none; names those that there are.
    """
    if name.upper() not in EXPERIMENTS:
        raise ConfigurationError(
            f"no experiment {name!r}; there are: {', '.join(EXPERIMENTS)} (see `specialize "
            f"experiment ls`)"
        )
    return EXPERIMENTS[name.upper()]
