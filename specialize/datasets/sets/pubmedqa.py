"""PubMedQA, the labelled part: an abstract, then yes, no or maybe."""

from __future__ import annotations

from specialize.datasets.choice_records import abstract_question
from specialize.datasets.choices import ChoiceFiles

PUBMEDQA = ChoiceFiles(
    "pubmedqa",
    "pubmedqa",
    abstract_question,
    hub_id="qiaojin/PubMedQA",
    config="pqa_labeled",
    hub_splits=("train", None, None),
).spec(licence="MIT", source="Jin et al. 2019, arXiv:1909.06146")
