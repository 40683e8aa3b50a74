"""ANLI, first round: pairs of sentences."""

from __future__ import annotations

from specialize.datasets.choice_records import nli
from specialize.datasets.choices import ChoiceFiles

ANLI_R1 = ChoiceFiles(
    "anli-r1",
    "anli1",
    nli,
    hub_id="facebook/anli",
    config="plain_text",
    hub_splits=("train_r1", "dev_r1", "test_r1"),
).spec(licence="CC BY-NC 4.0", source="Nie et al. 2020, arXiv:1910.14599")
