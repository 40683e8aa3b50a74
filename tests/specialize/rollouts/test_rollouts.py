"""A student's own texts: the same whether a drawing was killed or not, scored as any given text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filelock import FileLock

from specialize.config.recipe import Recipe
from specialize.config.teacher import Teacher
from specialize.config.yaml_files import build_teacher, override_recipe, record_recipe
from specialize.datasets.given_texts import read_texts
from specialize.errors import ConfigurationError, InputError, NothingPassedError
from specialize.rollouts import sampling
from specialize.rollouts.sampling import Drawing, draw_rollouts
from specialize.store import Store
from specialize.teacher.asks import build_asks
from specialize.teacher.dump import dump
from specialize.tokens import load_tokenizer
from specialize.train import train
from tests.support import teacher_toys, toys
from tests.support.commands import specialize
from tests.support.scripted_teacher import ScriptedTeacher


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """A run with the checkpoints of steps 0 and 1."""
    folder = tmp_path_factory.mktemp("rollouts")
    toys.write_world(folder, count=7)
    recipe = toys.toy_recipe(folder, optimization={"steps": 1}, training={"dropout": 0.0})
    train(recipe, folder / "run")
    recipe = override_recipe(recipe, ["evaluation.max_new_tokens=6"])  # texts are short then
    record_recipe(recipe, folder / "run")
    return recipe, folder / "run"


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_killed_drawing_goes_on_and_ends_with_the_same_bytes(
    begun: tuple[Recipe, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run = begun
    monkeypatch.setattr(sampling, "BLOCK", 4)
    drawing = Drawing(samples=2, seed=3, temperature=4.0)
    done = draw_rollouts(run, drawing, out=tmp_path / "whole.jsonl")
    texts = lines_of(tmp_path / "whole.jsonl")
    assert (done["questions"], done["texts"], done["step"]) == (7, 14, 1)
    assert [(t["id"], t["sample"]) for t in texts[:3]] == [
        ("toy/00000", 0), ("toy/00000", 1), ("toy/00001", 0)
    ]  # fmt: skip
    assert len({t["text"] for t in texts}) > 7
    assert done["cut_by_length"] == sum(t["finish_reason"] == "length" for t in texts) > 0

    drawn, kept = [], sampling._Drawer.records

    def killed(self: sampling._Drawer, asks: list[object]) -> list[object]:
        drawn.append(len(asks))
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return kept(self, asks)

    monkeypatch.setattr(sampling._Drawer, "records", killed)
    out = tmp_path / "begun.jsonl"
    with pytest.raises(KeyboardInterrupt):
        draw_rollouts(run, drawing, out=out)
    assert not out.exists()
    partial = out.with_name("begun.jsonl.partial")
    partial.write_bytes(partial.read_bytes() + b'{"id": "torn')
    draw_rollouts(run, drawing, out=out)
    assert drawn == [4, 4, 4, 4, 2]
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    draw_rollouts(run, drawing, out=out)  # finished: nothing is drawn
    assert len(drawn) == 5


def test_what_is_drawn_depends_on_checkpoint_seed_and_temperature(
    begun: tuple[Recipe, Path], tmp_path: Path
) -> None:
    _, run = begun
    ways = {
        "plain": Drawing(limit=4, temperature=4.0),
        "seed": Drawing(limit=4, seed=9, temperature=4.0),
        "cold": Drawing(limit=4, temperature=0.05),
    }
    found = {}
    for name, drawing in ways.items():
        draw_rollouts(run, drawing, out=tmp_path / f"{name}.jsonl")
        found[name] = (tmp_path / f"{name}.jsonl").read_text()
    assert len({found[name] for name in ("plain", "seed", "cold")}) == 3
    with pytest.raises(ConfigurationError, match=r"other settings \(checkpoint: .*; step: 1 there"):
        draw_rollouts(run, Drawing(limit=4, temperature=4.0), step=0, out=tmp_path / "plain.jsonl")
    with pytest.raises(ConfigurationError, match=r"other settings \(temperature: 4\.0 there, 2"):
        draw_rollouts(run, Drawing(limit=4, temperature=2.0), out=tmp_path / "plain.jsonl")
    (tmp_path / "cold.jsonl.settings").write_text("{")
    with pytest.raises(InputError, match=r"cold\.jsonl\.settings is damaged; remove it with"):
        draw_rollouts(run, ways["cold"], out=tmp_path / "cold.jsonl")
    (tmp_path / "mine.jsonl").write_text("{}\n")
    with pytest.raises(ConfigurationError, match=r"mine\.jsonl is there and was not drawn by this"):
        draw_rollouts(run, Drawing(limit=4, temperature=4.0), out=tmp_path / "mine.jsonl")


def test_the_command_draws_from_the_last_checkpoint_and_says_what_is_wrong(
    begun: tuple[Recipe, Path], tmp_path: Path
) -> None:
    _, run = begun
    done = specialize(tmp_path, "rollouts", str(run), "--limit", "2", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["rollouts"] == str(run / "rollouts" / "step-000001.jsonl")
    assert told["texts"] == 2
    for words, message in (
        (["--step", "7"], "has no checkpoint of step 7; there are: 0, 1"),
        (["--objective", "answer"], "objective 'answer' is none that learns the distributions of"),
    ):
        refused = specialize(tmp_path, "rollouts", str(run), *words)
        assert (refused.returncode, message in refused.stderr) == (2, True)
    with FileLock(run / "rollouts" / ".busy.jsonl.lock"):
        out = str(run / "rollouts" / "busy.jsonl")
        refused = specialize(tmp_path, "rollouts", str(run), "--out", out)
    assert "another process draws" in refused.stderr


TEXTS = (
    '{"id": "toy/train/00001", "text": "She earns 60.\\nThe answer is 60"}\n'
    '{"id": "toy/train/00000", "text": "He has", "finish_reason": "length"}\n'
    '{"id": "toy/train/00001", "text": " "}\n'
    '{"id": "toy/train/00001", "text": "So 12 * 5 = 50. The answer is 50"}\n'
)


def test_given_texts_are_scored_in_place_of_the_sets_own(tmp_path: Path) -> None:
    """By example, in their order; a text that was cut has no row for an end."""
    (tmp_path / "t.jsonl").write_text(TEXTS)
    examples = teacher_toys.examples(3)
    texts = read_texts(tmp_path / "t.jsonl", examples)
    teacher = ScriptedTeacher(load_tokenizer(teacher_toys.gpt2()), lambda *_: ("", "eos"))
    settings = Teacher(mode="score", texts="t.jsonl")
    ended = ScriptedTeacher.scored
    with pytest.MonkeyPatch.context() as patch:  # as a model does: with the end's row
        patch.setattr(
            ScriptedTeacher, "scored", lambda self, text, _, k, seed: ended(self, text, "eos", k, 0)
        )
        dump(teacher, examples, tmp_path / "s", settings, texts=texts)
    store = Store.open(tmp_path / "s")
    found = {sample.response.key: sample for sample in store}
    assert list(found) == [("toy/train/00000", 0), ("toy/train/00001", 0), ("toy/train/00001", 1)]
    cut = found["toy/train/00000", 0]
    assert not cut.response.finished
    assert cut.token_id.tolist() == teacher.tokenizer.encode("He has")
    right, wrong = found["toy/train/00001", 0], found["toy/train/00001", 1]
    assert (right.response.correct, wrong.response.correct) == (True, False)
    assert right.token_id[-1] == teacher.tokenizer.eos
    assert store.summary["left_out"] == 1  # the third question has no text
    assert teacher.asked[1].startswith("Q: Ann earns")
    # the prompts' digest tells which texts were scored
    other = {**texts, "toy/train/00000": [*texts["toy/train/00001"]]}
    digests = {build_asks(examples, settings, texts=t).prompt_digest for t in (texts, other, None)}
    assert len(digests) == 3


def test_a_given_text_begins_with_what_the_format_puts_before_it_once(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(
        '{"id": "toy/train/00000", "text": "The answer is 7"}\n'
        '{"id": "toy/train/00001", "text": " The answer is 60"}\n'
    )
    examples = teacher_toys.examples(2)
    texts = read_texts(tmp_path / "t.jsonl", examples)
    settings = Teacher(mode="score", texts="t.jsonl", format="zero-shot-answer")
    asks = build_asks(examples, settings, texts=texts).entries
    assert [ask.text for ask in asks] == [" The answer is 7", " The answer is 60"]


@pytest.mark.parametrize("format_name", ["chat-cot", "in-context-cot"])
def test_given_texts_are_asked_for_as_the_teachers_own(tmp_path: Path, format_name: str) -> None:
    """The prompts are those of a dump in which the teacher writes, in a chat as well."""
    (tmp_path / "t.jsonl").write_text(TEXTS)
    examples = teacher_toys.examples(2)
    texts = read_texts(tmp_path / "t.jsonl", examples)
    form = {"format": format_name, "num_fewshot": 1}
    given = build_asks(examples, Teacher(mode="score", texts="t", **form), texts=texts, seed=3)
    written = build_asks(examples, Teacher(**form), seed=3)
    prompts = {ask.example.id: ask.prompt for ask in written.entries}
    assert all(ask.prompt == prompts[ask.example.id] for ask in given.entries)
    assert given.entries[0].text == "He has"


BROKEN = [
    ('{"id": "nobody", "text": "x"}\n', InputError, "line 1: no example has the id 'nobody'"),
    ('{"id": "toy/train/00000"}\n', InputError, "line 1: .*'text'"),
    ('{"id": "toy/train/00000", "text": "x", "finish_reason": "error"}\n', InputError,
     "line 1: finish_reason must be 'stop' or 'length', got 'error'"),
    ('{"id": "toy/train/00000", "text": ""}\n', NothingPassedError, "every text of .* is blank"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "error", "message"), BROKEN)
def test_texts_that_cannot_be_scored_are_named(
    tmp_path: Path, content: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "t.jsonl").write_text(content)
    with pytest.raises(error, match=message):
        read_texts(tmp_path / "t.jsonl", teacher_toys.examples(2))


def test_texts_are_for_scoring() -> None:
    with pytest.raises(ConfigurationError, match="with mode sample leave them out"):
        build_teacher({"model": "m", "texts": "t.jsonl"})
