"""Token alignment and projection between vocabularies: numpy in, numpy out.

sparse.py       rows of sparse distributions
vocabulary.py   the bytes of every id
ragged.py       token sequences of many samples
alignment.py    monotone links; blocks.py minimal blocks, pieces.py pieces without a vocabulary
spans.py        the finest alignment, linear; its algorithm is in exact/
dtw.py          the published alignment by dynamic time warping
project.py      distributions carried into another vocabulary; the rules are in prefix/ and
                baselines/, what comes out in projection.py
kernels/        how kernels are compiled and cached
"""

from align.alignment import Alignment
from align.prefix.rule import Learned
from align.project import Projector
from align.projection import Projection
from align.ragged import Ragged, ragged
from align.spans import align_batch, align_pieces
from align.sparse import SparseDistributions, concatenate, from_padded, one_hot
from align.vocabulary import Vocabulary, build_vocabulary

__all__ = [
    "Alignment",
    "Learned",
    "Projection",
    "Projector",
    "Ragged",
    "SparseDistributions",
    "Vocabulary",
    "align_batch",
    "align_pieces",
    "build_vocabulary",
    "concatenate",
    "from_padded",
    "one_hot",
    "ragged",
]
