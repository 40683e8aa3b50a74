"""What is known of a teacher before it is paid: tokenizers alone, a few scored texts, or a store.

    tokenizers alone   rows of a stand-in: n-grams over the texts, as sharp as is assumed
    a model            its own rows of the texts
    a store            the rows in it, at most as many entries as it has

Whatever the rows are, a stand-in of their sharpness says how far projected rows are from the
truth, which no stored row can say of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from align import Ragged, SparseDistributions, concatenate, ragged
from align.vocabulary import Vocabulary
from specialize.errors import ConfigurationError
from specialize.pairs.fidelity import known_rows
from specialize.pairs.ngrams import SHARP, After, Distribution, NgramTeacher, temper
from specialize.records import Response
from specialize.store import Store, Texts, stored_rows
from specialize.targets.ends import Ends, control_ids, ends_of
from specialize.targets.thoughts import contents
from specialize.teacher.protocol import Sampling, Teacher
from specialize.tokens import Tokenizer

Known = Literal["assumed", "scored", "stored"]
TOP_MASS = 0.92  # of the five best tokens, where nothing is known of the teacher: an assumption
MEASURED = 200  # texts of which rows are made
MOST = 64  # entries of a row
_PLAIN = "\n"  # before a text without a prompt: what every model can read
FOLDS = 8  # a text's stand-in is made of all texts but every eighth, itself among these
_TEMPERED = 12  # texts by which the stand-in is sharpened


@dataclass(frozen=True, slots=True)
class Given:
    """A text and what it answers."""

    text: str
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A teacher's rows of some texts.

    Attributes:
        known: where the rows come from.
        source: the pieces of the teacher's vocabulary; of a store, those that it uses.
        fingerprint: of the teacher's tokenizer.
        most: entries of a row.
        seen: the measured texts and their tokens, and then others: words are learnt from all.
        measured: how many of ``seen`` have rows.
        width: of a distribution, which may be more than the tokenizer's ids.
        rows_at: the rows of the measured ones, cut to as many entries.
        tokenizer: the teacher's; None for a store.
        ends: the ids that end its texts.
        seconds: that scoring took, for all measured texts; None where nothing was scored.
        too_long: texts that do not fit into the teacher's context, and were left out.
        after: of the stand-in, what follows the tokens of each measured text.
    """

    known: Known
    name: str
    source: Vocabulary
    fingerprint: str
    width: int
    most: int
    seen: Texts
    measured: int
    rows_at: Callable[[int], SparseDistributions]
    ends: Ends | None
    tokenizer: Tokenizer | None = None
    seconds: float | None = None
    too_long: int = 0
    after: Sequence[After] | None = None

    @property
    def texts(self) -> Texts:
        """Those with rows."""
        mask = np.arange(len(self.seen)) < self.measured
        return self.seen.where(mask)


def mass_at(rows: SparseDistributions, k: int) -> float:
    """The mean mass of the k best entries of a row."""
    tails = stored_rows(rows, k).tail.astype(np.float64)
    return float(1 - np.exp(tails).mean()) if len(tails) else 0.0


def stand_in(tokens: Ragged, top_mass: float, best: int = SHARP) -> list[After]:
    """A teacher of known distributions for every text, made of the other texts.

    Args:
        tokens: the teacher's, of all texts.
        top_mass: what the ``best`` tokens hold, on average.
    """
    texts = [tokens.sample(i).tolist() for i in range(len(tokens))]
    folds = min(FOLDS, len(texts))
    fitted = [
        NgramTeacher([text for i, text in enumerate(texts) if i % folds != fold] or texts)
        for fold in range(folds)
    ]
    after: list[After] = [fitted[i % folds].after for i in range(len(texts))]

    def set_power(power: float) -> None:
        for teacher in fitted:
            teacher.set_power(power)

    temper(set_power, after[:_TEMPERED], texts[:_TEMPERED], top_mass, best)
    return after


def completed(rows: SparseDistributions, written: Sequence[int], other: After) -> After:
    """What follows the tokens of a text by its own ``rows``, their tails shared out as ``other``
    says; after anything else, what ``other`` says."""

    def after(tokens: Sequence[int]) -> Distribution:
        at = len(tokens)
        ids, probability = other(tokens)
        if at >= len(written) or list(tokens) != list(written[:at]):
            return ids, probability
        row = rows[at : at + 1]
        mine, tail = np.exp(row.logprobs.astype(np.float64)), float(np.exp(row.tail[0]))
        free = ~np.isin(ids, row.ids)
        rest = probability[free] * (tail / max(probability[free].sum(), 1e-12))
        both, mass = np.concatenate([row.ids, ids[free]]), np.concatenate([mine, rest])
        order = np.argsort(-mass, kind="stable")
        return both[order], mass[order]

    return after


def assume(teacher: Tokenizer, given: Sequence[Given], top_mass: float = TOP_MASS) -> Evidence:
    """A stand-in's rows; every written token is in its row, as served teachers return it."""
    seen = _texts(teacher, _spread(given))
    measured = min(MEASURED, len(seen))
    after = stand_in(seen.tokens, top_mass)[:measured]
    written = [seen.tokens.sample(i).tolist() for i in range(measured)]
    return Evidence(
        "assumed", teacher.name, teacher.vocabulary(), teacher.fingerprint, teacher.size, MOST,
        seen, measured, cache(lambda k: known_rows(written, after, k)), _ends(teacher), teacher,
        after=after,
    )  # fmt: skip


def score(teacher: Teacher, given: Sequence[Given], clock: Callable[[], float]) -> Evidence:
    """A model's own rows of at most ``MEASURED`` texts.

    Args:
        clock: seconds, of whatever kind the forecast shall be.

    Raises:
        ConfigurationError: no text fits into the teacher's context.
    """
    tokenizer, spread = teacher.tokenizer, _spread(given)
    fitting = [one for one in spread if _fits(teacher, one)]
    if not fitting:
        raise ConfigurationError(
            f"none of {len(spread)} texts fits into the context of {teacher.description.name}, "
            f"{teacher.context} tokens; give shorter ones"
        )
    some = fitting[:MEASURED]
    started = clock()
    prompts = [one.prompt or _PLAIN for one in some]
    scored = teacher.score(prompts, [one.text for one in some], Sampling(1, top_k=MOST))
    seconds = clock() - started
    others = _texts(tokenizer, fitting[MEASURED:])
    responses = [_response(i, one) for i, one in enumerate(some)]
    tokens = [text.token_id.astype(np.int32) for text in scored]
    tokens += [others.tokens.sample(i) for i in range(len(others))]
    seen = Texts([*responses, *others.responses], ragged(tokens))
    rows = concatenate([text.distributions for text in scored])
    return Evidence(
        "scored", teacher.description.name, tokenizer.vocabulary(), tokenizer.fingerprint,
        teacher.description.vocabulary_size, MOST, seen, len(some),
        lambda k: stored_rows(rows, k), _ends(tokenizer), tokenizer, seconds,
        len(spread) - len(fitting),
    )  # fmt: skip


def read(store: Store) -> Evidence:
    """The first ``MEASURED`` responses of a store.

    Raises:
        ConfigurationError: the store holds no rows of a teacher.
    """
    about = store.description
    if about.kind != "responses" or not about.k:
        raise ConfigurationError(
            f"{store.path} holds {'texts alone' if about.kind == 'responses' else about.kind}; "
            f"name a store of a teacher's responses with probabilities, or its tokenizer"
        )
    shards, count = [], 0
    for shard in store.shards():
        shards.append(contents(shard))
        count += len(shard)
        if count >= MEASURED:
            break
    texts = Texts(
        [response for shard in shards for response in shard.responses],
        ragged([shard.tokens.sample(i) for shard in shards for i in range(len(shard))]),
    )
    rows, measured = concatenate([shard.distributions for shard in shards]), min(count, MEASURED)
    rows = rows[: int(texts.tokens.indptr[measured])]
    vocabulary = store.align_vocabulary()
    return Evidence(
        "stored", about.teacher, vocabulary, about.fingerprint, about.vocabulary_size, about.k,
        texts, measured, lambda k: stored_rows(rows, k),
        ends_of(about, vocabulary, adds_up=True),
    )  # fmt: skip


def _ends(tokenizer: Tokenizer) -> Ends | None:
    if tokenizer.eos is None:
        return None
    control = control_ids(tokenizer.vocabulary(), tokenizer.named_control())
    return Ends(tokenizer.eos, tokenizer.ends, control=control)


def _spread(given: Sequence[Given]) -> list[Given]:
    """All texts, ``MEASURED`` of them from everywhere first."""
    if len(given) <= MEASURED:
        return list(given)
    first = [i * len(given) // MEASURED for i in range(MEASURED)]
    rest = sorted(set(range(len(given))) - set(first))
    return [given[i] for i in (*first, *rest)]


def _texts(tokenizer: Tokenizer, given: Sequence[Given]) -> Texts:
    ended = tokenizer.eos is not None
    tokens = tokenizer.encode_ragged([one.text for one in given], eos=ended)
    return Texts([_response(i, one) for i, one in enumerate(given)], tokens)


def _response(number: int, given: Given) -> Response:
    return Response(f"text/{number:05d}", 0, given.prompt, given.text)


def _fits(teacher: Teacher, given: Given) -> bool:
    if teacher.context is None:
        return True
    prompt = len(teacher.prompt_tokens([given.prompt or _PLAIN])[0])
    text = len(teacher.tokenizer.encode(given.text)) + 1
    return (prompt + text if teacher.continues else max(prompt, text)) <= teacher.context
