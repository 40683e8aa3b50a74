"""Two stores of the same texts -> how far their rows are apart, by place and by class of token.

    compare_stores("runs/f32/responses/big", "runs/bf16/responses/big")
    all 12,345 positions    KL .0031 [.0029, .0033]    TV .021 to .022    top-1 .987

Texts are matched by prompt and text, whatever they are called; a text that only one store has is
counted and left out. A shard of the first store is in memory at once with the texts of the second
that match it, and beside them a key of each of the second's texts.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.sparse import SparseDistributions, concatenate
from specialize.compare.clustered import Mean, Tally
from specialize.compare.row_distances import row_distances
from specialize.errors import ConfigurationError
from specialize.records import Response
from specialize.store import Sample, Store, StoreDescription
from specialize.store.reader import Key
from specialize.targets.counts import CLASSES, token_classes

MEASURES = (
    "kl", "kl_least", "reverse", "reverse_least", "tv_least", "tv_most", "top1", "alike",
    "nats_first", "nats_second", "nats_difference",
)  # fmt: skip
_PLACES = (16, 64, 256, 1024, 4096)  # the last position of each group, from 1
PLACES = ("1-16", "17-64", "65-256", "257-1024", "1025-4096", "from 4097")
KINDS = (*CLASSES, "end")
_UNSEEN = np.float32(np.log(1e-7))  # the least tail that is believed of 1 - sum, in nats
_FEW = 10  # texts below which an interval is too sure
Means = Mapping[str, Mean]


@dataclass(frozen=True, slots=True)
class StoreComparison:
    """What the rows of two stores differ by.

    Attributes:
        texts: that both have, token by token; of ``positions`` positions.
        only_first, only_second: texts that the other store lacks.
        other_tokens: texts that both have, written in different tokens; left out.
        without_end: texts of which one store has a last token more, which is left out.
        overall: every measure over all positions. ``by_place`` and ``by_class`` have those of the
            positions of a text, counted from 1, and of the classes of tokens.
    """

    first: str
    second: str
    texts: int
    positions: int
    only_first: int
    only_second: int
    other_tokens: int
    without_end: int
    overall: Means
    by_place: Mapping[str, Means]
    by_class: Mapping[str, Means]
    warnings: tuple[str, ...]


class _Pair(NamedTuple):
    """One text in both stores; the first ``length`` tokens are the same."""

    one: Sample
    other: Sample
    length: int


@dataclass(slots=True)
class _Pairs:
    """Which texts belong together, and what was counted on the way."""

    second: Store
    keys: defaultdict[bytes, list[Key]] = field(default_factory=lambda: defaultdict(list))
    matched: int = 0
    only_first: int = 0
    other_tokens: int = 0
    without_end: int = 0

    def __post_init__(self) -> None:
        for texts in self.second.texts():
            for response in texts.responses:
                self.keys[_identity(response)].append(response.key)

    def of(self, samples: Iterable[Sample]) -> Iterator[_Pair]:
        """Each sample with that of the second store, and how many tokens both have."""
        for sample in samples:
            keys = self.keys.get(_identity(sample.response))
            if not keys:
                self.only_first += 1
                continue
            other = self.second[keys.pop(0)]
            self.matched += 1
            count = min(len(sample), len(other))
            more = max(len(sample), len(other)) - count
            if more > 1 or not np.array_equal(sample.token_id[:count], other.token_id[:count]):
                self.other_tokens += 1
                continue
            self.without_end += more
            if count:
                yield _Pair(sample, other, count)


def compare_stores(first: str | Path, second: str | Path) -> StoreComparison:
    """Compare the rows of two stores of the same texts in one vocabulary.

    Args:
        first: a finished store; KL is of the second from it, ``reverse`` the other way.
        second: a store of the same kind and tokenizer.

    Raises:
        ConfigurationError: stores of other kinds or tokenizers, without rows or of draws, or
            without a text in common.
        StoreError: a store is damaged or unfinished.
    """
    one, other = Store.open(first), Store.open(second)
    _check(one, other)
    pairs = _Pairs(other)
    vocabulary = one.align_vocabulary()
    classes = token_classes(vocabulary)
    complement = [store.description.tail_is_complement for store in (one, other)]
    tallies = [Tally(MEASURES, count) for count in (1, len(PLACES), len(KINDS))]
    positions = 0
    for shard in one.shards():
        found = list(pairs.of(shard))
        if found:
            positions += _count(found, classes, complement, tallies)
    if not positions:
        raise ConfigurationError(_nothing(one, other, pairs))
    texts, overall = pairs.matched - pairs.other_tokens, _means(tallies[0], 0)
    return StoreComparison(
        str(first), str(second), texts, positions, pairs.only_first, len(other) - pairs.matched,
        pairs.other_tokens, pairs.without_end, overall,
        _groups(tallies[1], PLACES), _groups(tallies[2], KINDS),
        (*_cautions(overall, texts), *_differences(one.description, other.description)),
    )  # fmt: skip


def _identity(response: Response) -> bytes:
    """A hash of prompt and text."""
    prompt = response.prompt
    asked = prompt if isinstance(prompt, str) else prompt.as_json()
    parts = json.dumps([asked, response.thinking, response.text], sort_keys=True)
    return hashlib.sha256(parts.encode()).digest()[:16]


def _check(one: Store, other: Store) -> None:
    mine, theirs = one.description, other.description
    if mine.kind != theirs.kind:
        raise ConfigurationError(
            f"{one.path} holds {mine.kind}, {other.path} {theirs.kind}; compare two of a kind"
        )
    if mine.fingerprint != theirs.fingerprint:
        raise ConfigurationError(
            f"the rows of {one.path} are over the tokens of {mine.tokenizer}, those of "
            f"{other.path} over those of {theirs.tokenizer}; align both to one student and compare "
            f"the targets"
        )
    for store, about in ((one, mine), (other, theirs)):
        if not about.k:
            raise ConfigurationError(f"{store.path} holds texts alone; it has no rows to compare")
        if "draws" in str(about.settings.get("entries", "")):
            raise ConfigurationError(
                f"the entries of {store.path} are {about.settings['entries']}, which are no "
                f"distribution one by one; dump with --top-logprobs to compare"
            )


def _count(
    pairs: Sequence[_Pair],
    classes: NDArray[np.uint8],
    complement: Sequence[bool],
    tallies: Sequence[Tally],
) -> int:
    """Count the positions of a shard's pairs; returns how many there are."""
    lengths = np.array([pair.length for pair in pairs])
    ends = np.cumsum(lengths)
    text = np.repeat(np.arange(len(pairs)), lengths)
    place = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths) + 1
    kind = classes[np.concatenate([one.token_id[:n] for one, _, n in pairs])].astype(np.int64)
    last = ends[kind[ends - 1] == CLASSES.index("special")] - 1
    kind[last] = KINDS.index("end")
    rows = [
        concatenate([one.distributions[:n] for one, _, n in pairs]),
        concatenate([other.distributions[:n] for _, other, n in pairs]),
    ]
    found = row_distances(
        *(_floored(side) if c else side for side, c in zip(rows, complement, strict=True))
    )
    mine = np.concatenate([-one.token_logprob[:n].astype(np.float64) for one, _, n in pairs])
    theirs = np.concatenate([-other.token_logprob[:n].astype(np.float64) for _, other, n in pairs])
    values = {
        "kl": found.kl, "kl_least": found.kl_least, "reverse": found.reverse,
        "reverse_least": found.reverse_least, "tv_least": found.tv_least,
        "tv_most": found.tv_most, "top1": found.top1.astype(np.float64),
        "alike": found.alike.astype(np.float64),
        "nats_first": mine, "nats_second": theirs, "nats_difference": theirs - mine,
    }  # fmt: skip
    groups = (np.zeros_like(text), np.searchsorted(_PLACES, place), kind)
    for tally, group in zip(tallies, groups, strict=True):
        tally.add(text, group, values)
    return int(ends[-1])


def _floored(rows: SparseDistributions) -> SparseDistributions:
    """A tail of 1 - sum is no more exact than its sum: where it is 0, something may be left."""
    return replace(rows, tail=np.maximum(rows.tail, _UNSEEN))


def _means(tally: Tally, group: int) -> Means:
    found = {name: tally.mean(name, group) for name in MEASURES}
    return {name: mean for name, mean in found.items() if mean is not None}


def _groups(tally: Tally, names: Sequence[str]) -> dict[str, Means]:
    found = {name: _means(tally, number) for number, name in enumerate(names)}
    return {name: means for name, means in found.items() if means}


def _nothing(one: Store, other: Store, pairs: _Pairs) -> str:
    """Why two stores have no position in common."""
    counts = f"{len(one)} texts of {one.path} and {len(other)} of {other.path}"
    if pairs.other_tokens:
        return f"of {counts}, {pairs.other_tokens} are the same, but in different tokens"
    written = {response.text for texts in one.texts() for response in texts.responses}
    same = sum(r.text in written for texts in other.texts() for r in texts.responses)
    if same:
        return (
            f"of {counts}, {same} have the same text, but no prompt is the same; rows depend on "
            f"the prompt: score the texts of one store under its own prompts"
        )
    return f"of {counts}, none are the same; score the texts of one store with the other teacher"


def _differences(one: StoreDescription, other: StoreDescription) -> Iterator[str]:
    if one.tail_is_complement != other.tail_is_complement:
        which = "first" if one.tail_is_complement else "second"
        yield f"the tail of the {which} store is 1 - sum of its entries, not summed from all logits"
    if one.k != other.k:
        yield f"the stores have {one.k} and {other.k} entries a position"


def _cautions(overall: Means, texts: int) -> Iterator[str]:
    ruled_out = overall["top1"].rows - min(
        overall[name].rows if name in overall else 0 for name in ("kl", "reverse")
    )
    if ruled_out:
        yield (
            f"in {ruled_out:,} positions one store rules out what the other does not: their KL is "
            f"infinite and in no mean"
        )
    if texts < _FEW:
        yield f"{texts} text{'s are' if texts > 1 else ' is'} too few for the intervals"
