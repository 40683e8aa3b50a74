"""SVAMP with equations for answers, as Hsieh et al. 2023 label it."""

from __future__ import annotations

from specialize.datasets.choice_records import svamp_equation
from specialize.datasets.choices import ChoiceFiles

SVAMP_EQUATION = ChoiceFiles(
    "svamp-equation",
    "svamp",
    svamp_equation,
    hub_id="ChilleD/SVAMP",
    hub_splits=("train", None, "test"),
).spec(licence="MIT", source="Hsieh et al. 2023, arXiv:2305.02301", kind="equation")
