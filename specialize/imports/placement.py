"""Whether rows are those of the tokens beside them: how well each row foretells its own token.

    tokens   Seven   boxes   of   four          rows one early: " boxes" is beside the row from
    rows     r1      r2      r3   r4            which " of" was drawn, and misses its entries

A token was drawn from its row, so that it is among the row's entries as often as their mass says.
Three explanations of the tokens of a record are compared by likelihood:

* its own row: p of the entry, or, for a token that is not listed, the row's tail;
* the row ``s`` places away, over the stretch of tokens where that explains most;
* none: the mean of all rows of the record, which is what rows in another order leave.

Under the first the ratio of any other to it has a mean of at most 1, so that it exceeds 1 / a in at
most a share a of honest records (Ville 1939), at any entropy, length and temperature up to 1: to
sample colder than the rows only adds to the likely entries. Texts that were drawn hotter miss more
often than the mass says; they differ from unrelated rows in the tokens that they do hit
(``_HOT``). A record too short to say anything is kept, and its evidence counts for its file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_SHIFTS = tuple(s for s in range(-8, 9) if s)
_FARTHEST = 512  # places over which the shift of a refused record is looked for
_DOUBT = math.log(1e3)  # an honest record or file is refused once in a thousand at most
_LEAST_TAIL = 0.01  # of a row whose entries should hold everything
_BACKGROUND = 1e-4  # of a token that no row of the record lists
_HOT = 0.5  # share of tokens that a hot sampler may draw from anywhere
_RELATED = 3.0  # nats by which a hot record must hit more than unrelated rows would

Floats = NDArray[np.float64]
Value = TypeVar("Value", bound=np.generic)

UNRELATED = "the tokens are not among the entries of their rows as often as the mass says"
_SHIFTED = "rows are"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Nats by which another explanation of a record's tokens is better than their own rows.

    ``unrelated`` is that of no relation and ``unrelated_if_hot`` the same for texts sampled hot;
    ``by_shift`` (S,) is that of each shift over all its tokens, ``of_shift`` (S,) what it is better
    than no relation; these add up over the records of a file. ``stretch`` is the most that
    ``shift`` explains of neighbouring tokens.
    """

    tokens: int
    unrelated: float
    unrelated_if_hot: float
    by_shift: Floats
    of_shift: Floats
    stretch: float
    shift: int

    @property
    def stretched(self) -> bool:
        """Whether some neighbouring tokens are those of rows ``shift`` places away."""
        return self.stretch > _DOUBT + math.log(max(self.tokens, 1) * len(_SHIFTS))

    @property
    def misplaced(self) -> bool:
        """Whether the record alone is enough to refuse it."""
        related = self.unrelated <= _DOUBT or self.unrelated_if_hot <= -_RELATED
        return self.stretched or not related


def weigh(
    tokens: NDArray[np.integer],
    ids: NDArray[np.integer],
    logprobs: NDArray[np.floating],
    *,
    hot: bool = False,
) -> Evidence:
    """What the entries of R rows say of the R tokens beside them.

    Args:
        tokens: (R,) ids.
        ids: (R, K) entries, distinct in a row where they are in use.
        logprobs: (R, K) nats, -inf where unused.
        hot: whether the tokens were sampled at a temperature above 1.
    """
    rows = _Rows.of(tokens, ids, logprobs)
    base = np.log(rows.background)
    own = rows.explained(0)
    warm = rows.if_hot(own)
    if hot:
        own = warm
    pairs = [(rows.explained(shift), shift) for shift in _SHIFTS]
    stretches = [_best_stretch(found - _beside(warm, shift)) for found, shift in pairs]
    best = int(np.argmax(stretches))
    return Evidence(
        tokens=len(tokens),
        unrelated=float((base - own).sum()),
        unrelated_if_hot=float((base - warm).sum()),
        by_shift=np.array([(found - _beside(own, shift)).sum() for found, shift in pairs]),
        of_shift=np.array([(found - _beside(base, shift)).sum() for found, shift in pairs]),
        stretch=stretches[best],
        shift=_SHIFTS[best],
    )


@dataclass(slots=True)
class Placement:
    """The evidence of all records of a file, and whether its rows are those of its tokens."""

    unrelated: float = 0.0
    unrelated_if_hot: float = 0.0
    by_shift: Floats = field(default_factory=lambda: np.zeros(len(_SHIFTS)))
    of_shift: Floats = field(default_factory=lambda: np.zeros(len(_SHIFTS)))

    def add(self, evidence: Evidence) -> None:
        """Count the evidence of one more record."""
        self.unrelated += evidence.unrelated
        self.unrelated_if_hot += evidence.unrelated_if_hot
        self.by_shift = self.by_shift + evidence.by_shift
        self.of_shift = self.of_shift + evidence.of_shift

    @property
    def fault(self) -> str | None:
        """Why the rows of the file are not those of its tokens; None where they are."""
        doubt = _DOUBT + math.log(len(_SHIFTS))
        best = int(np.argmax(self.by_shift))
        if self.by_shift[best] > doubt and self.of_shift[best] > doubt:
            return _shifted(_SHIFTS[best])
        if self.unrelated > _DOUBT and self.unrelated_if_hot > -_RELATED:
            return UNRELATED
        return None


def fault_of(
    evidence: Evidence,
    tokens: NDArray[np.integer],
    ids: NDArray[np.integer],
    logprobs: NDArray[np.floating],
) -> str | None:
    """Why a record is refused, with the shift that would fit; None where it is not.

    Args:
        evidence: what ``weigh`` found of the other arguments.
    """
    if not evidence.misplaced:
        return None
    rows = _Rows.of(tokens, ids, logprobs)
    base = np.log(rows.background)
    reach = min(len(tokens) - 1, _FARTHEST)
    far = [s for s in range(-reach, reach + 1) if s]
    gains = [float((rows.explained(s) - _beside(base, s)).sum()) for s in far]
    if gains and max(gains) > _DOUBT + math.log(len(far)):
        return _shifted(far[int(np.argmax(gains))])
    return _shifted(evidence.shift) if evidence.stretched else UNRELATED


def names_shift(fault: str) -> bool:
    """Whether a fault says which shift would fit."""
    return fault.startswith(_SHIFTED)


def _shifted(shift: int) -> str:
    """The fault of rows that fit the tokens ``shift`` places further on: > 0 is too early."""
    places = "one place" if abs(shift) == 1 else f"{abs(shift)} places"
    return f"{_SHIFTED} {places} too {'early' if shift > 0 else 'late'}: shift them by {shift:+d}"


@dataclass(frozen=True, slots=True)
class _Rows:
    """A record's rows as they are compared: probabilities (R, K), and of each token (R,)."""

    tokens: NDArray[np.int64]
    ids: NDArray[np.int64]
    masses: Floats
    tails: Floats  # of the row, at least _LEAST_TAIL
    background: Floats  # of the token in the mean row

    @classmethod
    def of(
        cls,
        tokens: NDArray[np.integer],
        ids: NDArray[np.integer],
        logprobs: NDArray[np.floating],
    ) -> _Rows:
        masses = np.exp(logprobs.astype(np.float64))
        tails = np.clip(1 - masses.sum(axis=1), _LEAST_TAIL, 1)
        listed, where = np.unique(ids, return_inverse=True)
        total = np.bincount(where.ravel(), weights=masses.ravel(), minlength=len(listed))
        background = np.zeros(len(tokens))
        if len(listed):
            at = np.minimum(np.searchsorted(listed, tokens), len(listed) - 1)
            background = np.where(listed[at] == tokens, total[at], 0) / len(tokens)
        return cls(
            np.asarray(tokens, np.int64), np.asarray(ids, np.int64), masses, tails,
            np.maximum(background, _BACKGROUND),
        )  # fmt: skip

    def explained(self, shift: int) -> Floats:
        """Log-likelihoods of the tokens that have a row ``shift`` places before, in order."""
        count = len(self.tokens)
        first, last = min(max(-shift, 0), count), max(count - max(shift, 0), 0)
        tokens = _beside(self.tokens, shift)
        hit = self.ids[first:last] == tokens[:, None]
        mass = np.where(hit, self.masses[first:last], 0).sum(axis=1)
        missed = self.tails[first:last] * _beside(self.background, shift)
        return np.log(np.where(mass > 0, mass, missed))

    def if_hot(self, own: Floats) -> Floats:
        """``own``, if a share ``_HOT`` of the tokens may have been drawn from anywhere."""
        return np.logaddexp(own + math.log(1 - _HOT), np.log(_HOT * self.background))


def _beside(values: NDArray[Value], shift: int) -> NDArray[Value]:
    """Those of the tokens that have a row ``shift`` places before."""
    return values[max(shift, 0) : max(len(values) + min(shift, 0), 0)]


def _best_stretch(gains: Floats) -> float:
    """The largest sum over neighbouring tokens; 0 for none."""
    sums = np.concatenate([[0.0], np.cumsum(gains)])
    return float((sums - np.minimum.accumulate(sums)).max())
