"""Prompts beyond a teacher's context, and how often a prompt is tokenized."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from specialize.config.recipe import Teacher as TeacherSettings
from specialize.errors import ConfigurationError
from specialize.records import Example
from specialize.store import Store
from specialize.teacher.asks import build_asks
from specialize.teacher.dump import dump
from specialize.teacher.fitting import fitting
from specialize.teacher.framing import PromptReader, given_ids
from specialize.teacher.local.teacher import load_teacher
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.scripted_teacher import ScriptedTeacher

SHORT = toys.examples(4)
LONG = [Example(f"toy/train/long{i}", "apples and " * size, "7") for i, size in enumerate((30, 90))]
MIXED = [SHORT[0], LONG[0], *SHORT[1:], LONG[1]]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(toys.gpt2())


def teacher_of(tokenizer: Tokenizer, context: int | None) -> ScriptedTeacher:
    return ScriptedTeacher(tokenizer, lambda *_: ("The answer is 7", "eos"), context=context)


def settings_of(**values: object) -> TeacherSettings:
    return TeacherSettings.model_validate({"max_new_tokens": 9, **values})


@pytest.mark.parametrize("mode", ["sample", "rationale"])
def test_what_is_too_long_is_left_out_and_counted(
    mode: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    settings = settings_of(mode=mode, samples=2, too_long="skip")
    teacher = teacher_of(tokenizer, 100)
    found = dump(teacher, MIXED, tmp_path / "s", settings, shard_samples=3)
    assert found.too_long == 2
    assert found.as_json()["too_long"] == 2
    assert {key[0] for key in Store.open(tmp_path / "s").keys} == {e.id for e in SHORT}
    assert len(teacher.asked) == 8
    again = teacher_of(tokenizer, 100)
    assert dump(again, MIXED, tmp_path / "s", settings, shard_samples=3).resumed == 8
    assert again.asked == []


@pytest.mark.parametrize(
    ("context", "too_long", "message"),
    [
        (100, "refuse", r"'toy/train/long0' needs \d+ tokens.*and 2 of 6 .*--too-long skip"),
        (200, "refuse", r"'toy/train/long1' needs \d+ tokens.*and 1 of 6"),
        (5, "skip", r"needs \d+ tokens.*and 6 of 6 examples are as long; use fewer demonstr"),
    ],
)
def test_refused(
    context: int, too_long: str, message: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    teacher = teacher_of(tokenizer, context)
    with pytest.raises(ConfigurationError, match=message):
        dump(teacher, MIXED, tmp_path / "s", settings_of(too_long=too_long))
    assert teacher.asked == []
    assert not (tmp_path / "s").exists()


def test_a_prompt_and_its_first_token_fill_the_context(tokenizer: Tokenizer) -> None:
    """One token less is refused, in every mode; a given text and its end must fit too."""
    for mode in ("sample", "score"):
        asks = build_asks(SHORT[:1], settings_of(mode=mode))
        [ask] = asks.entries
        needed = len(tokenizer.encode(ask.prompt)) + len(tokenizer.encode(ask.text or ""))
        assert fitting(teacher_of(tokenizer, needed + 1), asks, "refuse") is asks
        with pytest.raises(ConfigurationError, match=f"needs {needed} tokens"):
            fitting(teacher_of(tokenizer, needed), asks, "refuse")
    assert fitting(teacher_of(tokenizer, None), asks, "refuse") is asks


def test_an_exact_fit_is_scored(tmp_path: Path) -> None:
    teacher = load_teacher(str(toys.gpt2()), device="cpu")
    [ask] = build_asks(SHORT[:1], settings_of(mode="score")).entries
    size = len(teacher.tokenizer.encode(ask.prompt)) + len(teacher.tokenizer.encode(ask.text or ""))
    filled = "apples " * ((255 - size) // 2 + 20)
    while len(teacher.tokenizer.encode(f"Q: {filled}\nLet's think step by step\n{ask.text}")) > 255:
        filled = filled[:-1]
    example = Example("toy/train/full", filled, "7", SHORT[0].rationale)
    dump(teacher, [example], tmp_path / "s", settings_of(mode="score"))
    [sample] = Store.open(tmp_path / "s")
    assert sample.token_id[-1] in teacher.tokenizer.ends


@pytest.mark.parametrize("mode", ["sample", "score"])
def test_a_prompt_is_tokenized_once(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To see whether it fits, and for each of its samples; a given text with its prompt besides."""
    teacher = load_teacher(str(toys.gpt2()), device="cpu")
    seen: Counter[str] = Counter()
    kept = Tokenizer._encodings

    def note(self: Tokenizer, texts: list[str]) -> object:
        seen.update(texts)
        return kept(self, texts)

    monkeypatch.setattr(Tokenizer, "_encodings", note)
    settings = settings_of(mode=mode, samples=3 if mode == "sample" else 1)
    prompts = {ask.prompt for ask in build_asks(SHORT, settings).entries}
    dump(teacher, SHORT, tmp_path / "s", settings, shard_samples=2)
    assert {seen[prompt] for prompt in prompts} == {1}


def test_a_prompt_reader_keeps_what_it_read(tokenizer: Tokenizer) -> None:
    reader = PromptReader(tokenizer)
    first = reader.read(["ab", "c", "ab"])
    assert first[0] == first[2] == tuple(tokenizer.encode("ab"))
    assert reader.read(["c"]) == [first[1]]
    ended = PromptReader(tokenizer, eos=True).read(["ab"])
    assert ended == [(*first[0], tokenizer.eos)]
    [(head, tokens)] = given_ids(reader, ["ab"], [" c"])
    assert tokenizer.decode([*head, *tokens]) == "ab c"
