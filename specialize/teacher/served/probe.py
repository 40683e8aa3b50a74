"""What a server is made to show before it is asked for anything that counts.

A few requests, none of them kept. They show that the server is there and serves the model; that
its tokenizer is ours; that every token has its row, with as many entries as asked for; that rows
are before temperature and nucleus; that they are those of their tokens (a text drawn almost without
chance must consist of first entries); and that given texts get the rows that sampled ones had. The
verdict is written into ``store.json``, and a dump is continued only where it is still the same::

    {"kind": "vllm", "entries": 5, "raw": true, "scores": true, "tokenizer": "same", ...}
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from typing import Literal

import numpy as np

from specialize.config.recipe import Server
from specialize.config.recipe import Teacher as Settings
from specialize.errors import TeacherError
from specialize.teacher.protocol import Sampling, ScoredText
from specialize.teacher.served.asking import Asker
from specialize.teacher.served.dialects.shapes import Shape, shaped
from specialize.teacher.served.transport import RefusedError, SetupError
from specialize.teacher.served.wire import BadReplyError, Prompt

TEXT = "Q: Zoë has 12 apples 🍎 and eats 5. How many are left?\nA:"
_TOKENS, _TRIES = 12, 5
_NEAR = 0.25  # nats by which equal rows may differ: batches and half precision
_FIRST = 0.75  # share of cold tokens that must be first entries; ties and noise spare a few
_WAYS_OUT = {
    "no log-probabilities": "start it so that it returns log-probabilities, or use another server",
    "fewer entries than asked for": "raise its limit (vLLM: --max-logprobs), or lower top_k",
    "a text that several tokens have": "use a kind whose entries are ids (vllm, sglang, llama.cpp)",
    "the text is not what the tokens spell": "name its tokenizer with server.tokenizer",
    "an id outside the vocabulary": "name its tokenizer with server.tokenizer",
    "a token that the tokenizer does not have": "name its tokenizer with server.tokenizer, or use "
    "a kind whose entries are ids (vllm, sglang, llama.cpp)",
    "one row for several tokens": "use its own interface (llama.cpp)",
    "a replacement character in place of a token's bytes": "use a kind whose entries are ids "
    "(vllm, sglang, llama.cpp)",
    "not in the form of this kind of server": "check server.kind",
    "not JSON": "check the address and server.kind",
    "another number of texts than asked for": "leave server.choices at 1",
}


class _Tokens(Shape):
    """The answer of ``/tokenize``."""

    tokens: list[int]


# what is wrong with some texts of a server: one with half a character, or with a rare token
_CHANCE = frozenset({
    "one row for several tokens",
    "the server counts other tokens than it returns",
    "a replacement character in place of a token's bytes",
    "a text that several tokens have",
    "a token that the tokenizer does not have",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a server was found to return.

    Attributes:
        answers_as: the model's name in its answers; empty where they have none.
        entries: listed and proved a row.
        raw: sampled rows are before temperature and nucleus.
        scores: given texts get their rows, and the right ones.
        tokenizer: ``same``, or ``not shown`` where the server does not tokenize for others.
    """

    kind: str
    answers_as: str
    entries: int
    raw: bool
    scores: bool
    tokenizer: Literal["same", "not shown"]

    def as_json(self) -> dict[str, bool | int | str]:
        return asdict(self)


async def probe(asker: Asker, settings: Settings, server: Server, prompt: Prompt) -> Verdict:
    """The verdict on the server behind ``asker``; ``prompt`` is ``TEXT`` as the model reads it.

    Raises:
        TeacherError: it cannot give what the settings ask for; says what to do.
    """
    try:
        return await _verdict(asker, settings, server, prompt)
    except BadReplyError as error:
        way_out = _WAYS_OUT.get(error.reason, "it cannot be a teacher as it is")
        raise TeacherError(
            f"the {server.kind} server at {server.urls[0]} failed the probe: {error}; {way_out}"
        ) from None
    except RefusedError as error:
        raise TeacherError(f"{error}; lower top_k, or check server.kind") from None


async def _verdict(asker: Asker, settings: Settings, server: Server, prompt: Prompt) -> Verdict:
    tokenizer, k = await _tokenizer(asker), settings.top_logprobs
    asker.name = None
    plain = await _written(asker, prompt, Sampling(_TOKENS, top_k=k), 1)
    # as good as greedy; a temperature of 0 has rules of its own in some servers
    cold = await _written(asker, prompt, Sampling(_TOKENS, temperature=0.01, top_k=k), 2)
    if server.choices > 1:
        await asker.sample(prompt, Sampling(2, top_k=k), 3, server.choices)
    raw = await _raw(asker, prompt, plain, k)
    _check_places(cold, server)
    scores = asker.dialect.scores and await _scores(asker, prompt, plain, server)
    here = f"the {server.kind} server at {server.urls[0]}"
    if settings.mode == "score" and not scores:
        raise TeacherError(
            f"{here} cannot score given texts; serve the model with vLLM, SGLang or llama.cpp, "
            f"or let it write its own (mode: sample)"
        )
    if not (raw or scores or (settings.temperature == 1 and settings.top_p == 1)):
        raise TeacherError(
            f"{here} returns log-probabilities after temperature and nucleus; start it so that "
            f"they are raw (vLLM: --logprobs-mode raw_logprobs), or sample at temperature 1 and "
            f"top_p 1"
        )
    return Verdict(server.kind, asker.name or "", k, raw, scores, tokenizer)


async def _written(asker: Asker, prompt: Prompt, settings: Sampling, seed: int) -> ScoredText:
    """A text that is believed; others, shorter ones, where the tokens of one cannot be identified.

    Raises:
        BadReplyError: none of a few is believed.
    """
    for tried in range(_TRIES):
        tokens = max(1, settings.max_new_tokens >> tried)
        shorter = replace(settings, max_new_tokens=tokens)
        try:
            return (await asker.sample(prompt, shorter, seed + _TRIES * tried, 1))[0]
        except BadReplyError as error:
            if error.reason not in _CHANCE:
                raise
            refused = error
    raise refused


async def _tokenizer(asker: Asker) -> Literal["same", "not shown"]:
    request = asker.dialect.ask_tokens(TEXT)
    if request is None:
        return "not shown"

    try:
        theirs = await asker.exchange.ask(request, lambda body: shaped(_Tokens, body).tokens)
    except (SetupError, RefusedError, BadReplyError):
        return "not shown"
    ours = asker.proof.tokenizer.encode(TEXT)
    if not theirs:
        return "not shown"
    if theirs != ours:
        pairs = enumerate(zip_longest(theirs, ours))
        first, (there, here) = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
        raise TeacherError(
            f"the server tokenizes otherwise than {asker.proof.tokenizer.name}: of the probe's "
            f"text token {first} is {there} there and {here} here; name the server's own "
            f"tokenizer with server.tokenizer"
        )
    return "same"


async def _raw(asker: Asker, prompt: Prompt, plain: ScoredText, k: int) -> bool:
    """Whether the first row stays the same under temperature and nucleus."""
    sharp = Sampling(_TOKENS, temperature=0.5, top_p=0.5, top_k=k)
    try:
        tempered = await _written(asker, prompt, sharp, 4)
    except BadReplyError:
        return False
    if not len(plain) or not len(tempered):
        return False
    before, after = (
        dict(zip(row.ids.tolist(), row.logprobs.tolist(), strict=True))
        for row in (plain.distributions[:1], tempered.distributions[:1])
    )
    shared = before.keys() & after.keys()
    return 2 * len(shared) > len(before) and all(
        abs(before[token] - after[token]) <= _NEAR for token in shared
    )


def _check_places(cold: ScoredText, server: Server) -> None:
    """Tokens drawn almost without chance are the first entries of their own rows."""
    if not len(cold):
        return
    first = cold.token_logprob >= cold.distributions.padded(1)[1][:, 0] - _NEAR
    if first.mean() < _FIRST:
        raise TeacherError(
            f"the {server.kind} server at {server.urls[0]} returns rows that are not those of its "
            f"tokens: {int(first.sum())} of {len(cold)} tokens drawn at temperature 0.01 are first "
            f"entries; its rows are shifted, or it does not sample as it is asked to"
        )


async def _scores(asker: Asker, prompt: Prompt, plain: ScoredText, server: Server) -> bool:
    """Whether a sampled text, given back to be scored, gets the rows that it was drawn from."""
    tokens = tuple(plain.token_id.tolist())
    if not tokens:
        return False
    try:
        scored = await asker.score(prompt.ids, tokens)
    except (BadReplyError, RefusedError, SetupError):
        return False
    apart = float(np.median(np.abs(scored.token_logprob - plain.token_logprob)))
    if not apart <= _NEAR:
        raise TeacherError(
            f"the {server.kind} server at {server.urls[0]} scores a text with other rows than it "
            f"sampled it from (log-probabilities {apart:.2f} nats apart): they are shifted, or "
            f"its prompts are read in another way"
        )
    return True
