"""The tables that the kernels of the policy ``prefix`` share: one row a token, a column a fact.

Tokens of source and target are counted through all samples of a shard.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ID = 0  # the first column of every table: the token
NOWHERE = -1  # instead of a token: there is none

# What the source wrote, a row for each of its tokens.
STATE = 1  # the node of the word before the token
INKS = 2  # whether that word is more than whitespace
BEGINS = 3  # whether the token begins a word
CUT = 4  # where in its bytes another one begins; 0: nowhere
ANCHOR = 5  # the target token with which the word before begins, or NOWHERE
OWN = 6  # the target token that begins where the token does, or NOWHERE
SOURCE_COLUMNS = 7

# The stored candidates, a row for each.
NODE = 1  # the node of the word that it would make
ROLE = 2  # what it would do to the word before it
ENTRY_COLUMNS = 3

# Roles.
CONTINUES = 0  # it goes on with that word
STARTS = 1  # it begins a new word
WRITTEN = 2  # it is what was written
END = 3  # the text ends
SILENT = 4  # nothing: it spells nothing
ROLES = 5
REST = 0  # instead of a role: the mass that is not stored

# What the student reads, a row for each target token.
TOKEN = 1  # the source token in which it begins, or NOWHERE
OFFSET = 2  # at which of its bytes; COPIED: the row is that of the source token
STOP = 3  # where the sample ends on the source's side
COUNTED = 4  # the token as continuations count it: NO_TEXT where it is special or unknown
TARGET_COLUMNS = 5
NO_TEXT = -1
COPIED = -1


class Source(NamedTuple):
    """Source tokens of many samples, and the stored candidates for each.

    ``indptr`` (samples + 1,); ``tokens`` (n, SOURCE_COLUMNS); ``row_ptr`` (n + 1,); ``entries``
    (stored, ENTRY_COLUMNS).
    """

    indptr: NDArray[np.int64]
    tokens: NDArray[np.int32]
    row_ptr: NDArray[np.int64]
    entries: NDArray[np.int32]


class Offsets(NamedTuple):
    """Where words and tokens begin, as ``token_offsets`` finds it from the texts alone.

    ``source`` (n, 2): ANCHOR and OWN of the source tokens; ``target`` (m, 2): TOKEN and OFFSET of
    the target tokens.
    """

    source: NDArray[np.int32]
    target: NDArray[np.int32]


class Words(NamedTuple):
    """The target tokens of every word that the source may write.

    ``spans`` (nodes, 4): of each node of the trie where its tokens are in ``ids``, how many they
    are, its place in ``continuations.Continuations``, and the first one, -1 where that is special.
    """

    spans: NDArray[np.int32]
    ids: NDArray[np.int32]


# Columns of ``Words.spans``.
AT = 0
LENGTH = 1
CONTEXT = 2
FIRST_TOKEN = 3
SPAN_COLUMNS = 4


def source_table(
    indptr: NDArray[np.int64],
    ids: NDArray[np.int32],
    row_ptr: NDArray[np.int64],
    candidates: NDArray[np.int32],
) -> Source:
    """Tables of which only the ids are filled."""
    tokens = np.empty((len(ids), SOURCE_COLUMNS), np.int32)
    entries = np.empty((len(candidates), ENTRY_COLUMNS), np.int32)
    tokens[:, ID], entries[:, ID] = ids, candidates
    return Source(indptr, tokens, row_ptr, entries)
