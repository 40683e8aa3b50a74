"""A served model as a teacher: probed at the start, then asked under its limits.

    with connect(settings, journal=out / "journal.jsonl") as teacher:
        dump(teacher, examples, out, settings)

Every response is believed, row by row, or comes back with its ``fault``. The same call gives the
same texts where the server does; between servers and batches the last bits differ, so a store of a
served teacher is the same again only from its journal.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from specialize import records
from specialize.config.recipe import Server
from specialize.config.recipe import Teacher as Settings
from specialize.config.trust import check_key
from specialize.errors import ConfigurationError, InputError, TeacherError
from specialize.teacher.cutting import with_likeliest_end
from specialize.teacher.framing import PromptReader, given_ids
from specialize.teacher.protocol import Sampling, ScoredText, TeacherDescription, quarantined
from specialize.teacher.served.asking import Asker
from specialize.teacher.served.dialects import DIALECTS, Speaker
from specialize.teacher.served.exchange import Exchange, together
from specialize.teacher.served.journal import Journal
from specialize.teacher.served.models import Served, served_model
from specialize.teacher.served.probe import TEXT, Verdict, probe
from specialize.teacher.served.proof import Proof
from specialize.teacher.served.transport import RefusedError, Transport
from specialize.teacher.served.wire import BadReplyError, Prompt
from specialize.tokens import Tokenizer, load_tokenizer

Result = TypeVar("Result")


def connect(settings: Settings, *, journal: Path | None = None) -> ServedTeacher:
    """The teacher behind ``settings.server``, after its probe.

    Args:
        journal: where raw answers are kept, in the directory of the store, whose lock guards it;
            None keeps nothing.

    Raises:
        ConfigurationError: no server, or the variable of its key is empty.
        InputError: its tokenizer cannot be read.
        TeacherError: out of reach, or it cannot give what is asked for; says what to do.
    """
    server, model = settings.server, settings.model
    if server is None or model is None:
        raise ConfigurationError("a served teacher needs model and server")
    variable = server.key_variable
    for url in server.urls if variable else ():
        check_key(variable or "", url)
    key = os.environ.get(variable, "").strip() if variable else None
    if variable and not key:
        raise ConfigurationError(
            f"the environment variable {variable}, which should hold the key of the teacher at "
            f"{server.urls[0]}, is not set"
        )
    where = server.tokenizer or model
    try:
        tokenizer = load_tokenizer(where, revision=settings.revision)
    except InputError as error:
        raise InputError(
            f"the tokenizer of the served teacher cannot be read: {error}; name it with "
            f"server.tokenizer"
        ) from None
    teacher = ServedTeacher(settings, server, Speaker(model, tokenizer), key)
    try:
        teacher.prove(Journal(journal))
    except BaseException:
        teacher.close()
        raise
    return teacher


class ServedTeacher:
    """A served model behind the ``Teacher`` protocol; ``connect`` makes one."""

    def __init__(
        self,
        settings: Settings,
        server: Server,
        speaker: Speaker,
        key: str | None,
    ) -> None:
        self._settings, self._server, self._speaker = settings, server, speaker
        self._reader = PromptReader(speaker.tokenizer)
        self._runner: asyncio.Runner | None = asyncio.Runner()
        self._served = Served()
        self._verdict: Verdict | None = None
        self._key = key
        tokenizer, keeps = speaker.tokenizer, settings.chat.thinking == "train"
        self._proof = Proof(tokenizer, settings.top_logprobs, tokenizer.size, keeps_thinking=keeps)
        self._transport = self._run(_opened(server, key))
        self._asker = self._asks(self._transport, Journal(None))

    def _asks(self, transport: Transport, journal: Journal) -> Asker:
        dialect = DIALECTS[self._server.kind](self._speaker)
        return Asker(Exchange(transport, journal), dialect, self._proof)

    def __enter__(self) -> ServedTeacher:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; again is harmless."""
        if self._runner is not None:
            self._run(self._transport.close())
            self._runner.close()
            self._runner = None

    def prove(self, journal: Journal) -> None:
        """Probe every address; what is asked from here on is kept in ``journal``.

        Raises:
            TeacherError: as ``connect``, or two addresses differ.
        """
        shown = {url: self._run(self._shown(url)) for url in self._server.urls}
        first, (served, verdict) = next(iter(shown.items()))
        for url, (_, other) in shown.items():
            if other != verdict:
                raise TeacherError(
                    f"the servers at {first} and {url} differ: the probe found {verdict.as_json()} "
                    f"and {other.as_json()}; serve the same model in the same way at both"
                )
        contexts = [own.context for own, _ in shown.values() if own.context is not None]
        self._served = replace(served, context=min(contexts, default=None))
        self._verdict = verdict
        warm = self._settings.temperature != 1 or self._settings.top_p != 1
        self._asker = self._asks(self._transport, journal)
        self._asker.name = verdict.answers_as or None
        self._asker.rescore = warm and not verdict.raw and verdict.scores

    async def _shown(self, url: str) -> tuple[Served, Verdict]:
        """What the server at one address says of its model, and the verdict on it."""
        alone = self._server.model_copy(update={"urls": (url,)})
        transport = Transport(alone, self._key)
        try:
            served = await served_model(transport, alone, self._speaker.model)
            prompt = Prompt(TEXT, self.prompt_tokens([TEXT])[0])
            asker = self._asks(transport, Journal(None))
            return served, await probe(asker, self._settings, alone, prompt)
        finally:
            await transport.close()

    @property
    def description(self) -> TeacherDescription:
        tokenizer = self._speaker.tokenizer
        return TeacherDescription(
            name=self._speaker.model,
            revision=self._settings.revision or "",
            dtype=f"served, {self._served.weights}" if self._served.weights else "served",
            tokenizer=tokenizer.name,
            fingerprint=tokenizer.fingerprint,
            vocabulary_size=tokenizer.size,
            arithmetic=f"served, {self._server.choices} choices a request",
            tail="complement",
            probe=self._verdict.as_json() if self._verdict else {},
        )

    @property
    def tokenizer(self) -> Tokenizer:
        return self._speaker.tokenizer

    @property
    def continues(self) -> bool:
        return self._asker.dialect.continues

    @property
    def context(self) -> int | None:
        """What the server says of itself; None where it does not."""
        return self._served.context

    @property
    def sent(self) -> int:
        """Requests that were answered, without the probe's."""
        return self._transport.sent

    def prompt_tokens(self, prompts: Sequence[records.Prompt]) -> list[tuple[int, ...]]:
        """What the model reads of each prompt; each is tokenized once.

        Of a chat that the server renders itself, the words of the turns: about as many.
        """
        if not self.continues:
            prompts = [str(prompt) for prompt in prompts]
        return self._reader.read(prompts)

    def sample(
        self, prompts: Sequence[records.Prompt], seeds: Sequence[int], settings: Sampling
    ) -> list[ScoredText]:
        """One text per prompt. Adjacent equal prompts share a request, up to ``choices``.

        Raises:
            TeacherError: out of reach for too long, or it refuses everything.
        """
        read = self.prompt_tokens(prompts)
        work = [
            self._sample(Prompt(prompts[start], read[start]), settings, seeds[start], count)
            for start, count in _runs(prompts, self._server.choices)
        ]
        return [text for texts in self._run(together(work)) for text in texts]

    async def _sample(
        self, prompt: Prompt, settings: Sampling, seed: int, count: int
    ) -> list[ScoredText]:
        context = self._served.context
        if context is not None and self.continues:  # servers refuse what may not fit
            room = max(1, context - len(prompt.ids))
            settings = replace(settings, max_new_tokens=min(settings.max_new_tokens, room))
        try:
            return await self._asker.sample(prompt, settings, seed, count)
        except (BadReplyError, RefusedError) as error:
            return [self._quarantined(error)] * count

    def score(
        self, prompts: Sequence[records.Prompt], texts: Sequence[str], settings: Sampling
    ) -> list[ScoredText]:
        """The rows of given texts, and that of the end after each where the context has room.

        Raises:
            TeacherError: a text is empty, out of reach for too long, or it refuses everything.
        """
        given = given_ids(self._reader, prompts, texts)
        empty = next((i for i, (_, tokens) in enumerate(given) if not tokens), None)
        if empty is not None:
            raise TeacherError(f"text {empty} is empty, so there is nothing to score")
        work = [self._score(*ids, text) for ids, text in zip(given, texts, strict=True)]
        return self._run(together(work))

    async def _score(self, head: tuple[int, ...], tokens: tuple[int, ...], text: str) -> ScoredText:
        ends, context = self.tokenizer.ends, self.context
        # a server wants room for one token of its own after what it scores
        if context is not None and len(head) + len(tokens) + 2 > context:
            ends = ()
        try:
            scored = await self._asker.score(head, tokens + ends[:1])
        except (BadReplyError, RefusedError) as error:
            return self._quarantined(error)
        return replace(with_likeliest_end(scored, ends), text=text)

    def _quarantined(self, error: BadReplyError | RefusedError) -> ScoredText:
        refused = isinstance(error, RefusedError)
        return quarantined("refused" if refused else str(error))

    def _run(self, work: Coroutine[None, None, Result]) -> Result:
        if self._runner is None:
            work.close()
            raise TeacherError("the connection to the teacher is closed")
        return self._runner.run(work)


async def _opened(server: Server, key: str | None) -> Transport:
    """A transport, made where there is an event loop."""
    return Transport(server, key)


def _runs(prompts: Sequence[records.Prompt], most: int) -> list[tuple[int, int]]:
    """(start, count) of adjacent equal prompts, at most ``most`` together."""
    runs: list[tuple[int, int]] = []
    for i, prompt in enumerate(prompts):
        start, count = runs[-1] if runs else (0, most)
        if runs and count < most and prompts[start] == prompt:
            runs[-1] = (start, count + 1)
        else:
            runs.append((i, 1))
    return runs
