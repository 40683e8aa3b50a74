"""A round is a run of its own: its recipe, and all of them one after another."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from specialize import pipeline
from specialize.config.recipe import Recipe
from specialize.config.rounds import Rounds
from specialize.config.yaml_files import override_recipe, recorded_recipe
from specialize.errors import ConfigurationError
from specialize.rollouts import rounds, sampling
from specialize.rollouts.rounds import round_recipe
from specialize.store import Store
from specialize.students import checkpoints
from specialize.teacher import opening
from specialize.teacher.protocol import TeacherDescription
from tests.support import toys
from tests.support.scripted_teacher import ScriptedTeacher

TEACHER = {"model": "scripted.py", "samples": 2, "top_logprobs": 4, "temperature": 0.5}
HARD = {"name": "answer", "format": "zero-shot-answer", "target": "answer", "weight": 0.5}
SOFT = {"name": "cot", "format": "zero-shot-cot", "target": "distribution", "teacher": "toy"}


def recipe_of(folder: Path, **changes: object) -> Recipe:
    """A recipe with rounds; ``changes`` are theirs."""
    return toys.toy_recipe(
        folder, teachers={"toy": TEACHER}, rounds={"count": 2, "steps": 2, **changes},
        optimization={"steps": 2}, evaluation={"max_new_tokens": 4},
        training={"max_target_tokens": 40, "dropout": 0.0},
    )  # fmt: skip


def made_of(recipe: Recipe) -> Recipe:
    assert isinstance(recipe.rounds, Rounds)
    return round_recipe(recipe, recipe.rounds, Path("run/step-2"), Path("run/t.jsonl"), 1)


def test_a_round_has_the_students_texts_beside_the_teachers(tmp_path: Path) -> None:
    weights = {"weight": 3.0, "off_policy_weight": 0.25, "learning_rate": 1e-5}
    recipe = recipe_of(tmp_path, **weights)
    made = made_of(recipe)
    assert (made.student, made.name, made.rounds) == ("run/step-2", "toy-round-1", None)
    assert (made.optimization.steps, made.optimization.learning_rate) == (2, 1e-5)
    assert [(o.name, o.teacher, o.weight, o.loss, o.keep) for o in made.objectives] == [
        ("cot", "toy", 0.25, None, "correct"),
        ("answer", None, 0.125, None, "correct"),
        ("cot-own", "toy-own", 3.0, "reverse_kl", "all"),
    ]
    own = made.teachers["toy-own"]
    assert (own.mode, own.texts, own.samples) == ("score", "run/t.jsonl", 1)
    assert (own.model, own.top_logprobs, own.consistent_with) == ("scripted.py", 4, "toy")
    alone = made_of(recipe_of(tmp_path, off_policy_weight=0, loss="jsd"))
    assert [(o.name, o.loss) for o in alone.objectives] == [("cot-own", "jsd")]


REFUSED = [
    ({"rounds": {"objective": "answer"}}, "rounds.objective is 'answer', there are: cot"),
    ({"objectives": [HARD]}, "rounds need an objective that .* there are: none"),
    ({"teachers": {"toy": {}}}, "but teacher 'toy' has none; name one that is the same model"),
    ({"rounds": {"teacher": "boy"}}, "but teacher 'boy' has none"),
    ({"rounds": {"steps": 0}}, "rounds.steps"),
    ({"rounds": {"lenght": 1}}, "unknown key 'rounds.lenght'"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_rounds_that_cannot_be_are_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        toys.toy_recipe(tmp_path, **{"teachers": {"toy": TEACHER}, "rounds": {}, **changes})


class Scripted(ScriptedTeacher):
    """Known by its weights, which a test may change."""

    revision = "xxh3:00"

    @property
    def description(self) -> TeacherDescription:
        return replace(super().description, revision=self.revision)


@pytest.mark.slow
def test_rounds_follow_one_another_and_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the second round, the same call ends as an uninterrupted one, asking nothing twice;
    another model in the teacher's place is refused before it scores."""
    tokenizer = toys.write_world(tmp_path, count=6)
    recipe, asked = recipe_of(tmp_path), []

    def open_teacher(*_: object) -> object:
        teacher = Scripted(tokenizer, lambda *_: ("It is 7. The answer is 7.", "eos"))
        asked.append(teacher.asked)
        return nullcontext(teacher)

    recipe = recipe.model_copy(
        update={
            "objectives": tuple(o.model_copy(update={"keep": "all"}) for o in recipe.objectives)
        }
    )
    monkeypatch.setattr(opening, "open_teacher", open_teacher)
    done = pipeline.run_recipe(recipe, tmp_path / "whole")
    # 2 samples of 6 questions, then 6 texts a round, which are those of the pilot as well
    assert [len(each) for each in asked] == [12, 12, 12]
    assert str(done["report"]).startswith(str(tmp_path / "whole" / "round-2"))

    def killed(*_: object) -> object:
        raise KeyboardInterrupt

    run, train = tmp_path / "killed", pipeline.train_run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            pipeline, "train_run", lambda r, at: (killed if "round-2" in str(at) else train)(r, at)
        )
        with pytest.raises(KeyboardInterrupt):
            pipeline.run_recipe(recipe, run)
        assert not checkpoints.complete(run / "round-2")
    del asked[:]
    patched = pytest.MonkeyPatch()
    patched.setattr(sampling._Drawer, "records", killed)  # nothing is drawn again
    pipeline.run_recipe(recipe, run)
    patched.undo()
    assert asked == []
    for number in (1, 2):
        ours, theirs = (rounds.folder(at, number) for at in (run, tmp_path / "whole"))
        assert (ours / rounds.TEXTS).read_bytes() == (theirs / rounds.TEXTS).read_bytes()
        lines = [(at / "metrics.jsonl").read_text().splitlines() for at in (ours, theirs)]
        first, second = ([json.loads(line)["loss"] for line in each] for each in lines)
        assert first == second
        store = Store.open(ours / "targets" / "toy-own").description
        assert store.teacher == "scripted"
    assert recorded_recipe(run / "round-2").student.startswith(str(run / "round-1"))

    monkeypatch.setattr(Scripted, "revision", "xxh3:01")
    more = override_recipe(recipe, ["rounds.count=3"])
    with pytest.raises(ConfigurationError, match=r"'toy-own' is not the one of .*xxh3:00.*xxh3:01"):
        pipeline.run_recipe(more, run)
    assert asked == [[]]
