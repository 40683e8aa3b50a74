"""OpenBookQA."""

from __future__ import annotations

from specialize.datasets.choice_records import choice_question
from specialize.datasets.choices import ChoiceFiles

OBQA = ChoiceFiles(
    "obqa", "obqa", choice_question, hub_id="allenai/openbookqa", config="main"
).spec(licence="Apache-2.0", source="Mihaylov et al. 2018, arXiv:1809.02789")
