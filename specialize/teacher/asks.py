"""What a teacher is asked: the static list of (example, sample) with prompt, seed and text.

One worked entry, of 4 samples a question::

    Ask(example=gsm8k/train/00000, sample=2, seed=0x3f..., text=None,
        prompt="Q: Natalia sold clips ...\\nLet's think step by step\\n")

The list follows from the examples and the settings alone, so that shard i is the same wherever
and whenever it is computed: a dump that was killed continues where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np

from specialize.config.recipe import Teacher as TeacherSettings
from specialize.errors import ConfigurationError, InputError
from specialize.formats import (
    ChatFormat,
    DemonstrationPool,
    Format,
    PromptFormat,
    by_name,
    parse_prompt_file,
)
from specialize.records import (
    ChatPrompt,
    Example,
    GivenText,
    Json,
    Message,
    Prompt,
    question_key,
)
from specialize.teacher.rationale_prompts import RationalePrompts

SHARD_SAMPLES = 512  # of a store's shard
Texts = Mapping[str, Sequence[GivenText]]  # by the example's id


@dataclass(frozen=True, slots=True)
class Ask:
    """One response to get; ``text`` is given where it is only to be scored.

    ``cut``: a limit ended the given text, so that it has no end to score.
    """

    example: Example
    sample: int
    prompt: Prompt
    seed: int
    text: str | None = None
    cut: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """The example's id and the number of the sample."""
        return self.example.id, self.sample


class Entries(Sequence[Ask]):
    """All asks in order, made when they are looked at: a thousand samples take the room of one."""

    __slots__ = ("_firsts", "_samples", "_seed")

    def __init__(self, firsts: tuple[Ask, ...], samples: int, seed: int) -> None:
        self._firsts, self._samples, self._seed = firsts, samples, seed

    def __len__(self) -> int:
        return len(self._firsts) * self._samples

    @overload
    def __getitem__(self, index: int) -> Ask: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Ask, ...]: ...

    def __getitem__(self, index: int | slice) -> Ask | tuple[Ask, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(len(self))[index])
        question, sample = divmod(range(len(self))[index], self._samples)
        first = self._firsts[question]
        if sample == 0:
            return first
        return replace(first, sample=sample, seed=sample_seed(self._seed, first.example.id, sample))


@dataclass(frozen=True, slots=True)
class Asks:
    """The whole list, and the examples left out.

    ``firsts`` has sample 0 of every example that is asked, ``entries`` all ``samples`` of each;
    where texts are given ``firsts`` has them all. ``left_out`` have no text to score, or no answer
    to give; ``too_long`` do not fit into the teacher's context.
    """

    firsts: tuple[Ask, ...]
    samples: int = 1
    seed: int = 0
    left_out: tuple[str, ...] = ()
    too_long: tuple[str, ...] = ()

    @property
    def entries(self) -> Entries:
        """Sample 0, 1, ... of the first example, then those of the second, and so on."""
        return Entries(self.firsts, self.samples, self.seed)

    @property
    def prompt_digest(self) -> str:
        """sha256 of every prompt and given text: whatever changes one of them changes it."""
        return _digest(map(_asked, self.entries))

    @property
    def dataset_digest(self) -> str:
        """sha256 of the examples that are asked, with their answers."""
        examples = {ask.example.id: ask.example for ask in self.firsts}
        return _digest([e.id, e.text, e.answer, e.rationale] for e in examples.values())


def _asked(ask: Ask) -> Json:
    prompt = ask.prompt if isinstance(ask.prompt, str) else ask.prompt.as_json()
    return [ask.example.id, ask.sample, prompt, ask.text, *(["cut"] if ask.cut else [])]


def build_asks(
    examples: Sequence[Example],
    settings: TeacherSettings,
    *,
    pool: DemonstrationPool | None = None,
    seed: int = 0,
    continues: bool = True,
    texts: Texts | None = None,
) -> Asks:
    """Everything a dump will ask, in order.

    Args:
        pool: where demonstrations come from; None: the examples themselves.
        continues: the teacher's text continues the prompt; a given text then begins with
            what the format puts between the two.
        texts: to score in place of the examples' own solutions, by the example's id.

    Raises:
        ConfigurationError: several samples of a given text, an unknown format or task, too few
            demonstrations, or no example left.
        InputError: a prompt that is no text.
    """
    prompter = _prompter(examples, settings, pool, seed)
    firsts: list[Ask] = []
    left_out: list[str] = []
    for example in _of_tasks(examples, settings.tasks):
        if settings.forced and not example.answer.strip():
            left_out.append(example.id)  # there is no answer to give
            continue
        form, prompt = prompter.put(example)
        _refuse_half_characters(example.id, str(prompt))
        if settings.mode != "score":
            firsts.append(Ask(example, 0, prompt, sample_seed(seed, example.id, 0)))
            continue
        given = _own_solution(example, form) if texts is None else texts.get(example.id, ())
        left_out += [] if given else [example.id]
        lead = form.separator if continues else ""
        firsts += [_scoring(example, n, prompt, seed, lead, one) for n, one in enumerate(given)]
    if not firsts:
        raise ConfigurationError(
            f"nothing to ask: {len(examples)} examples, {len(left_out)} of them without a "
            f"{'rationale' if texts is None else 'text'} to score"
        )
    return Asks(tuple(firsts), settings.samples, seed, tuple(left_out))


def _own_solution(example: Example, form: PromptFormat) -> Sequence[GivenText]:
    """The set's own, in the format's words; nothing where it has none."""
    if form.needs_rationale and not example.rationale.strip():
        return ()
    return (GivenText(form.target(example.rationale, example.answer)),)


def _scoring(
    example: Example, number: int, prompt: Prompt, seed: int, lead: str, given: GivenText
) -> Ask:
    """A given text to score; it begins with ``lead``, what the format puts before it, once."""
    text = given.text if given.text.startswith(lead) else lead + given.text
    return Ask(example, number, prompt, sample_seed(seed, example.id, number), text, given.cut)


def _of_tasks(examples: Sequence[Example], tasks: Sequence[str]) -> Sequence[Example]:
    """The questions of the named parts of the set, each of which must be there; all without any."""
    there = dict.fromkeys(example.task for example in examples)
    for task in tasks:
        if task not in there:
            raise ConfigurationError(
                f"no question has task {task!r}; tasks of this set: "
                f"{', '.join(filter(None, there)) or 'none'}"
            )
    return [e for e in examples if e.task in tasks] if tasks else examples


def _refuse_half_characters(example_id: str, prompt: str) -> None:
    """A prompt that cannot be written as UTF-8 would fail later, in the middle of a dump."""
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"the prompt of example {example_id!r} holds U+{ord(prompt[error.start]):04X}, half of "
            f"a surrogate pair, which is not text; repair the data or leave the example out"
        ) from None


def sample_seed(seed: int, example_id: str, sample: int) -> int:
    """The seed of one sample: 64 bits of sha256 over the run's seed, the example and the sample."""
    text = json.dumps([seed, example_id, sample])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


class _Prompter:
    """Puts a question with drawn or published demonstrations."""

    def __init__(
        self,
        form: PromptFormat,
        pool: DemonstrationPool | None,
        seed: int,
        published: Sequence[Example] = (),
        rationales: RationalePrompts | None = None,
    ) -> None:
        self._form, self._pool, self._seed, self._published = form, pool, seed, published
        self._rationales = rationales

    def put(self, example: Example) -> tuple[PromptFormat, Prompt]:
        """The format and the prompt; all samples of a question have the same demonstrations."""
        if isinstance(self._form, Format | ChatFormat) and self._published:
            own = question_key(example.question)
            shown = [d for d in self._published if question_key(d.question) != own]
            form = replace(self._form, demonstrations=len(shown))
            return form, form.prompt(example, shown)
        rng = np.random.default_rng(sample_seed(self._seed, example.id, -1))
        if self._rationales is not None:
            return self._form, self._as_asked(self._rationales.prompt(example, rng))
        if self._pool is None or not self._form.demonstrations:
            return self._form, self._form.prompt(example)
        drawn = self._pool.draw(example, self._form.demonstrations, rng)
        return self._form, self._form.prompt(example, drawn)

    def _as_asked(self, text: str) -> Prompt:
        """``text``, in a chat as the words of the user."""
        if not isinstance(self._form, ChatFormat):
            return text
        style = self._form.style
        before = (Message("system", style.system),) if style.system else ()
        return ChatPrompt((*before, Message("user", text)), style.arguments)


def _prompter(
    examples: Sequence[Example],
    settings: TeacherSettings,
    pool: DemonstrationPool | None,
    seed: int,
) -> _Prompter:
    if settings.mode == "score" and settings.samples != 1:
        raise ConfigurationError(
            f"mode 'score' has one given text a question, but samples is {settings.samples}; "
            f"leave it at 1"
        )
    chat = settings.chat.style
    wanted = by_name(settings.format, max(1, settings.num_fewshot), chat=chat)
    if settings.mode == "rationale":
        shown = (
            parse_prompt_file(settings.prompt_file).demonstrations if settings.prompt_file else ()
        )
        count = len(shown) or settings.num_fewshot
        drawn_from = shown or (pool.examples if pool else examples)
        rationales = RationalePrompts(drawn_from, count, forced=settings.forced)
        form = wanted if isinstance(wanted, ChatFormat) else by_name("zero-shot-cot")
        return _Prompter(form, None, seed, rationales=rationales)
    if settings.prompt_file is None:
        form = by_name(settings.format, settings.num_fewshot, chat=chat)
        return _Prompter(form, pool or DemonstrationPool(examples), seed)
    if not isinstance(wanted, Format | ChatFormat):
        raise ConfigurationError(
            f"format {settings.format!r} takes no demonstrations, so prompt file "
            f"{settings.prompt_file} cannot be used with it"
        )
    published = parse_prompt_file(settings.prompt_file)
    form = published.like(wanted)
    return _Prompter(form, None, seed, published.demonstrations)


def _digest(values: Iterable[Json]) -> str:
    """sha256 of ``values`` as one JSON list, of which only one value is in memory at a time."""
    found = hashlib.sha256(b"[")
    for number, value in enumerate(values):
        found.update(b", " if number else b"")
        found.update(json.dumps(value, ensure_ascii=False).encode())
    found.update(b"]")
    return found.hexdigest()
