"""ARC, the challenge set."""

from __future__ import annotations

from specialize.datasets.choice_records import choice_question
from specialize.datasets.choices import ChoiceFiles

ARC = ChoiceFiles(
    "arc", "arc", choice_question, hub_id="allenai/ai2_arc", config="ARC-Challenge"
).spec(licence="CC BY-SA 4.0", source="Clark et al. 2018, arXiv:1803.05457")
