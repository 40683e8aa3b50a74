"""RiddleSense."""

from __future__ import annotations

from specialize.datasets.choice_records import choice_question
from specialize.datasets.choices import ChoiceFiles

RIDDLESENSE = ChoiceFiles(
    "riddlesense",
    "riddle",
    choice_question,
    hub_id="INK-USC/riddle_sense",
    hub_splits=("train", "validation", None),
).spec(licence="see its release", source="Lin et al. 2021, arXiv:2101.00376")
