"""The ends of a teacher on the student's one end: their masses add up.

    the row after "The answer is 7"      <end_of_turn> .6   <eos> .1   "\\n" .2   "." .05
    ends <eos>, <end_of_turn>            <eos> .7                      "\\n" .2   "." .05
    and the text was cut at line ends    <eos> .9                                 "." .05

What else is of a chat's form and no text (``<|im_start|>``, ``<think>``) joins the tail: control
tokens of a teacher are in no row of a student that does not have them, nor under another's name.

Where a text is cut after the line of its answer, a line break there ends it: the probability that
the cut text ends is that of an end or of any token that begins with a line break.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from align import Ragged, SparseDistributions
from align.ragged import pointers
from align.vocabulary import SPECIAL, Vocabulary
from specialize.store import StoreDescription


@dataclass(frozen=True, slots=True)
class Ends:
    """What ends a teacher's text.

    Attributes:
        eos: the end of its vocabulary, on which the masses of all add up.
        ids: every end, ``eos`` among them.
        breaks: (V,) True for ids that begin with a line break, and end a text that was cut there;
            None where texts were not cut at line ends.
        adds_up: False where rows stay as they are, each end with its own mass.
        control: (V,) True for ids that are no text; None where none is known.
    """

    eos: int
    ids: Sequence[int]
    breaks: NDArray[np.bool_] | None = None
    adds_up: bool = True
    control: NDArray[np.bool_] | None = None

    def last_tokens(self, tokens: Ragged) -> Ragged:
        """``tokens`` with ``eos`` in place of any other end of a sample."""
        last = self._last(tokens)
        if not len(last):
            return tokens
        ids = tokens.ids.copy()
        ids[last] = self.eos
        return Ragged(tokens.indptr, ids)

    def merged(self, tokens: Ragged, rows: SparseDistributions) -> SparseDistributions:
        """The ``rows`` of ``tokens``, in which ``eos`` has the mass of everything that ends."""
        if not self.adds_up:
            return rows
        if self.control is not None:
            rows = self._without_control(tokens, rows, self.control)
        if self.breaks is None and set(self.ids) == {self.eos}:
            return rows
        ending = np.isin(rows.ids, self.ids)
        if self.breaks is not None:
            final = np.zeros(len(rows), np.bool_)
            final[self._last(tokens)] = True
            ending |= self.breaks[rows.ids] & np.repeat(final, np.diff(rows.indptr))
        if not (ending & (rows.ids != self.eos)).any():
            return rows
        return _added_up(rows, ending, self.eos)

    def _without_control(
        self, tokens: Ragged, rows: SparseDistributions, control: NDArray[np.bool_]
    ) -> SparseDistributions:
        at = np.flatnonzero(control[rows.ids])
        said = tokens.ids[np.searchsorted(rows.indptr, at, "right") - 1]
        silent = np.zeros(len(rows.ids), np.bool_)
        silent[at] = (rows.ids[at] != said) & ~np.isin(rows.ids[at], self.ids)
        return into_tail(rows, silent)

    def _last(self, tokens: Ragged) -> NDArray[np.int64]:
        """The positions at which samples end with an end."""
        last = tokens.indptr[1:][tokens.lengths > 0] - 1
        return last[np.isin(tokens.ids[last], self.ids)]


def without_last(tokens: Ragged, samples: NDArray[np.bool_]) -> Ragged:
    """``tokens`` without the last one of the ``samples`` (n,) that are True."""
    keep = np.ones(len(tokens.ids), np.bool_)
    keep[tokens.indptr[1:][samples] - 1] = False
    return Ragged(pointers(tokens.lengths - samples), tokens.ids[keep])


def control_ids(vocabulary: Vocabulary, named: Sequence[int]) -> NDArray[np.bool_]:
    """(V,) True for special ids, and for those ``named`` that are control tokens without being so.

    One that a teacher wrote within a text is text there: a row keeps its own token.
    """
    found = (vocabulary.flags & SPECIAL) > 0
    found[[token for token in named if token < len(found)]] = True
    return found


def named_control(about: StoreDescription) -> list[int]:
    """The ids that the teacher's chat template names for control, as its store says."""
    chat = about.settings.get("chat")
    named = chat.get("control") if isinstance(chat, dict) else None
    return [i for i in named if isinstance(i, int)] if isinstance(named, list) else []


def ends_of(about: StoreDescription, source: Vocabulary, *, adds_up: bool) -> Ends | None:
    """What ends the texts of a store of responses; None where its vocabulary has no end.

    Args:
        about: the store's.
        source: its teacher's vocabulary.
        adds_up: False where the student has the same tokenizer, and rows stay as they are.
    """
    if source.eos is None:
        return None
    named = about.settings.get("ends")
    listed = named if isinstance(named, list) else []
    ids = [source.eos, *(end for end in listed if isinstance(end, int))]
    cut = about.settings.get("cut") in ("answer", "published")
    breaks = line_breaks(source) if cut else None
    control = control_ids(source, named_control(about))
    return Ends(source.eos, ids, breaks, adds_up=adds_up, control=control)


def into_tail(rows: SparseDistributions, silent: NDArray[np.bool_]) -> SparseDistributions:
    """``rows`` without the entries ``silent`` (E,), whose mass joins the tail."""
    if not silent.any():
        return rows
    owner = rows.row_of_entry()
    mass = np.exp(rows.tail.astype(np.float64))
    np.add.at(mass, owner[silent], np.exp(rows.logprobs[silent].astype(np.float64)))
    with np.errstate(divide="ignore"):
        tail = np.log(mass).astype(np.float32)
    return SparseDistributions(
        pointers(np.bincount(owner[~silent], minlength=len(rows))),
        rows.ids[~silent],
        rows.logprobs[~silent],
        np.where(np.bincount(owner[silent], minlength=len(rows)) > 0, tail, rows.tail),
    )


def line_breaks(vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """(V,) True for ids that begin with a line break."""
    begins = vocabulary.indptr[:-1]
    found = np.diff(vocabulary.indptr) > 0
    found[found] = vocabulary.data[begins[found]] == ord("\n")
    return found


def _added_up(
    rows: SparseDistributions, ending: NDArray[np.bool_], eos: int
) -> SparseDistributions:
    """``rows`` with one entry ``eos`` in place of the entries ``ending`` (E,), in its order."""
    owner = rows.row_of_entry()
    mass = np.bincount(
        owner[ending], np.exp(rows.logprobs[ending].astype(np.float64)), minlength=len(rows)
    )
    touched = np.flatnonzero(np.bincount(owner[ending], minlength=len(rows)))
    ids = np.concatenate([rows.ids[~ending], np.full(len(touched), eos, np.int32)])
    logprobs = np.concatenate([rows.logprobs[~ending], np.log(mass[touched]).astype(np.float32)])
    owners = np.concatenate([owner[~ending], touched])
    order = np.lexsort((-logprobs, owners))
    return SparseDistributions(
        pointers(np.bincount(owners, minlength=len(rows))), ids[order], logprobs[order], rows.tail
    )
