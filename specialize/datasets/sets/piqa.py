"""PIQA: physical commonsense, two choices."""

from __future__ import annotations

from specialize.datasets.choice_records import choice_question
from specialize.datasets.choices import ChoiceFiles

PIQA = ChoiceFiles(
    "piqa", "piqa", choice_question, hub_id="ybisk/piqa", hub_splits=("train", "validation", None)
).spec(licence="see its release", source="Bisk et al. 2020, arXiv:1911.11641")
