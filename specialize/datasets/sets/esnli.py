"""e-SNLI: pairs of sentences with explanations."""

from __future__ import annotations

from specialize.datasets.choice_records import nli
from specialize.datasets.choices import ChoiceFiles

ESNLI = ChoiceFiles("esnli", "esnli", nli, hub_id="esnli/esnli", config="plain_text").spec(
    licence="see its release", source="Camburu et al. 2018, arXiv:1812.01193"
)
