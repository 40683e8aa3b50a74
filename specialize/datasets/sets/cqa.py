"""CommonsenseQA with the explanations of CoS-E."""

from __future__ import annotations

from specialize.datasets.choice_records import choice_question
from specialize.datasets.choices import ChoiceFiles

CQA = ChoiceFiles(
    "cqa",
    "cqa",
    choice_question,
    hub_id="Salesforce/cos_e",
    config="v1.11",
    hub_splits=("train", None, "validation"),
).spec(
    licence="see the release of each of the two",
    source="Talmor et al. 2019, arXiv:1811.00937; Rajani et al. 2019, arXiv:1906.02361",
)
