"""Believed texts from a served model: sampled, or given and scored.

Where a server leaves out rows of what it wrote, or returns them after temperature and nucleus, its
text is taken and scored like a given one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from align.sparse import concatenate
from specialize.store.sealed import Json
from specialize.teacher.cutting import cut_at_stop
from specialize.teacher.protocol import Sampling, ScoredText
from specialize.teacher.served.dialects import Dialect
from specialize.teacher.served.exchange import Exchange, together
from specialize.teacher.served.proof import SENTINEL, Proof
from specialize.teacher.served.transport import RefusedError
from specialize.teacher.served.wire import BadReplyError, Part, Prompt, Reply


@dataclass(slots=True)
class Asker:
    """A served model, its dialect and the proof of its answers.

    Attributes:
        name: what its answers call the model: the first one says it, all others must agree.
        rescore: the rows of sampled texts are not to be used.
        chooses: the server may know how to score ids that are chosen by position.
    """

    exchange: Exchange
    dialect: Dialect
    proof: Proof
    name: str | None = None
    rescore: bool = False
    chooses: bool = True

    async def sample(
        self, prompt: Prompt, settings: Sampling, seed: int, count: int
    ) -> list[ScoredText]:
        """``count`` texts after ``prompt``, in the order of the server's indices.

        Raises:
            BadReplyError: no believable answer; TeacherError: as ``Exchange.ask``.
        """

        def read(body: Json) -> list[ScoredText | Reply]:
            return [self._taken(reply) for reply in self.dialect.replies(body, count)]

        request = self.dialect.ask(prompt, settings, seed, count)
        taken = await self.exchange.ask(request, read)
        texts = await together([self._with_rows(prompt, text) for text in taken])
        return [cut_at_stop(text, settings.stop, self.proof.tokenizer) for text in texts]

    def _taken(self, reply: Reply) -> ScoredText | Reply:
        """A believed text, or a reply whose tokens are to be scored."""
        self._check_name(reply)
        if not (self.rescore or reply.unscored):
            return self.proof.believe(reply)
        self.proof.check_tokens(reply)
        return reply

    async def _with_rows(self, prompt: Prompt, taken: ScoredText | Reply) -> ScoredText:
        if isinstance(taken, ScoredText):
            return taken
        if not taken.tokens:
            return self.proof.believe(taken)
        scored = await self._chosen(prompt.ids, taken)
        if scored is None:
            scored = await self.score(prompt.ids, taken.tokens)
        return replace(scored, text=self.proof.check_tokens(taken), finish=taken.finish)

    async def _chosen(self, head: tuple[int, ...], taken: Reply) -> ScoredText | None:
        """The rows of a sampled text by the ids that it came with.

        A temperature leaves the order of a row as it is, so that its first ids are still the
        first; a nucleus does not list those that it cuts off. None where too few are listed, or
        where the server does not score chosen ids.
        """
        rows = [[t for t, value in row if value > SENTINEL] for row in taken.entries]
        enough = bool(rows) and min(map(len, rows)) >= self.proof.k
        chosen = tuple(
            tuple(dict.fromkeys((*row, token)))
            for row, token in zip(rows, taken.tokens, strict=False)
        )
        part = self.dialect.ask_chosen(head, taken.tokens, chosen) if enough else None
        if part is None or not self.chooses:
            return None
        try:
            return await self._scored(self.dialect, part)
        except (BadReplyError, RefusedError):
            self.chooses = False
            return None

    async def score(self, head: tuple[int, ...], tokens: tuple[int, ...]) -> ScoredText:
        """The rows of ``tokens`` after ``head``.

        Raises:
            BadReplyError: no believable answer; TeacherError: as ``Exchange.ask``.
        """
        try:
            return await self._score(self.dialect, head, tokens)
        except (BadReplyError, RefusedError):
            simpler = self.dialect.simpler()
            if simpler is None:
                raise
        return await self._score(simpler, head, tokens)

    async def _score(
        self, dialect: Dialect, head: tuple[int, ...], tokens: tuple[int, ...]
    ) -> ScoredText:
        parts = dialect.ask_scores(head, tokens, self.proof.top_k)
        pieces = await together([self._scored(dialect, part) for part in parts])
        if len(pieces) == 1:
            return pieces[0]
        return ScoredText(
            text=self.proof.tokenizer.decode(list(tokens)),
            token_id=np.concatenate([piece.token_id for piece in pieces]),
            token_logprob=np.concatenate([piece.token_logprob for piece in pieces]),
            distributions=concatenate([piece.distributions for piece in pieces]),
            finish="given",
        )

    async def _scored(self, dialect: Dialect, part: Part) -> ScoredText:
        def read(body: Json) -> ScoredText:
            reply = dialect.scores_of(body, part)
            self._check_name(reply)
            return self.proof.believe(reply)

        return await self.exchange.ask(part.request, read)

    def _check_name(self, reply: Reply) -> None:
        if self.name is None:
            self.name = reply.model
        elif reply.model != self.name:
            raise BadReplyError("another model's name")
