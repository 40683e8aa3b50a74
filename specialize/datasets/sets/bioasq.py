"""BioASQ, yes or no: an abstract, then the question."""

from __future__ import annotations

from specialize.datasets.choice_records import abstract_question
from specialize.datasets.choices import ChoiceFiles

BIOASQ = ChoiceFiles(
    "bioasq",
    "bioasq",
    abstract_question,
).spec(
    licence="CC BY 2.5, by registration",
    source="Tsatsaronis et al. 2015, doi:10.1186/s12859-015-0564-6",
)
