"""Every published set, one file each; a new one is its file and its line below."""

from collections.abc import Mapping

from specialize.datasets.sets.anli_r1 import ANLI_R1
from specialize.datasets.sets.arc import ARC
from specialize.datasets.sets.asdiv import ASDIV
from specialize.datasets.sets.bbh import BBH
from specialize.datasets.sets.bioasq import BIOASQ
from specialize.datasets.sets.cqa import CQA
from specialize.datasets.sets.esnli import ESNLI
from specialize.datasets.sets.gsm8k import GSM8K
from specialize.datasets.sets.jsonl import JSONL
from specialize.datasets.sets.multiarith import MULTIARITH
from specialize.datasets.sets.obqa import OBQA
from specialize.datasets.sets.piqa import PIQA
from specialize.datasets.sets.pubmedqa import PUBMEDQA
from specialize.datasets.sets.riddlesense import RIDDLESENSE
from specialize.datasets.sets.svamp import SVAMP
from specialize.datasets.sets.svamp_equation import SVAMP_EQUATION
from specialize.datasets.spec import SetSpec

SETS: Mapping[str, SetSpec] = {
    spec.name: spec
    for spec in (
        GSM8K,
        SVAMP,
        ASDIV,
        MULTIARITH,
        BBH,
        JSONL,
        CQA,
        SVAMP_EQUATION,
        ANLI_R1,
        ESNLI,
        OBQA,
        ARC,
        PIQA,
        RIDDLESENSE,
        PUBMEDQA,
        BIOASQ,
    )
}
