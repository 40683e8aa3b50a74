"""The teacher that scores is the one that wrote, or nothing is scored."""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from specialize.config.recipe import Recipe
from specialize.errors import ConfigurationError
from specialize.stages.consistency import check_consistency
from specialize.stages.recipe_stores import make_stores
from specialize.store import StoreDescription
from specialize.teacher import opening
from specialize.teacher.protocol import TeacherDescription
from specialize.tokens import Tokenizer
from tests.support import toys
from tests.support.scripted_teacher import ScriptedTeacher

WROTE = TeacherDescription("qwen", "xxh3:aa", "float32", "qwen", "f" * 64, 100)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tokenizer]:
    folder = tmp_path_factory.mktemp("consistency")
    return folder, toys.write_world(folder, count=4)


def recipe_of(folder: Path) -> Recipe:
    texts = folder / "own.jsonl"
    texts.write_text('{"id": "toy/00000", "text": "It is 7. The answer is 7"}\n')
    own = {"model": "m", "mode": "score", "texts": str(texts), "consistent_with": "toy"}
    return toys.toy_recipe(folder, teachers={"toy": {"model": "m"}, "own": own})


OTHERS = [
    ({"revision": "xxh3:bb"}, "digest of the weights 'xxh3:aa' there, 'xxh3:bb' here"),
    ({"dtype": "bfloat16"}, "type of weights 'float32' there, 'bfloat16' here"),
    ({"fingerprint": "e" * 64}, "tokenizer 'ffffffffffff' there, 'eeeeeeeeeeee' here"),
    ({"vocabulary_size": 128}, "vocabulary 100 there, 128 here"),
    # what only one side knows, or says in other words, decides nothing
    ({"revision": ""}, None),
    ({"revision": "0123abc"}, None),
    ({"dtype": "served, fp8"}, None),
    ({"name": "/mnt/qwen"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("changes", "says"), OTHERS)
def test_what_both_sides_know_is_compared(
    world: tuple[Path, Tokenizer], monkeypatch: pytest.MonkeyPatch, changes: dict[str, object],
    says: str | None,
) -> None:  # fmt: skip
    folder, _ = world
    store = StoreDescription(
        kind="responses", teacher=WROTE.name, revision=WROTE.revision, dtype=WROTE.dtype,
        tokenizer=WROTE.tokenizer, fingerprint=WROTE.fingerprint, vocabulary_size=100, k=5,
    )  # fmt: skip

    class Opened:
        description = store

    monkeypatch.setattr("specialize.stages.consistency.Store.open", lambda _: Opened)
    now = replace(WROTE, **changes)
    if says is None:
        check_consistency(recipe_of(folder), folder / "run", "own", now)
        return
    with pytest.raises(ConfigurationError, match=re.escape(says)):
        check_consistency(recipe_of(folder), folder / "run", "own", now)


def test_another_teacher_is_refused_before_it_is_asked(
    world: tuple[Path, Tokenizer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, tokenizer = world
    opened = []

    class Teacher(ScriptedTeacher):
        """Another model each time that it is opened."""

        @property
        def description(self) -> TeacherDescription:
            return replace(super().description, revision=f"xxh3:{opened.index(self)}")

    def open_one(*_: object) -> object:
        opened.append(Teacher(tokenizer, lambda *_: ("It is 7. The answer is 7", "eos")))
        return nullcontext(opened[-1])

    monkeypatch.setattr(opening, "open_teacher", open_one)
    with pytest.raises(ConfigurationError, match=r"teacher .own. is not the one of .*toy"):
        make_stores(recipe_of(folder), tmp_path / "run")
    assert len(opened[0].asked) == 4
    assert opened[1].asked == []


def test_the_other_teacher_must_be_there(world: tuple[Path, Tokenizer], tmp_path: Path) -> None:
    folder, _ = world
    with pytest.raises(ConfigurationError, match="holds no store; dump or import that teacher"):
        check_consistency(recipe_of(folder), tmp_path, "own", WROTE)
    with pytest.raises(ConfigurationError, match=r"cannot be consistent with 'boy'; other .*: toy"):
        toys.toy_recipe(folder, teachers={"toy": {}, "own": {"consistent_with": "boy"}})
