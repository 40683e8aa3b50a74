"""Self-consistency, stop texts, several processes, published prompts per task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize import datasets
from specialize.artifacts.predictions import PredictionFile, prediction_files
from specialize.artifacts.scores import read_scores
from specialize.config.recipe import EvaluationSet, Recipe
from specialize.config.yaml_files import record_recipe
from specialize.engines import Engine, pool
from specialize.errors import ConfigurationError, InputError, LockedError
from specialize.evaluate import asking, evaluate
from specialize.evaluate.generation import Draws, Limits, Stop, generate
from specialize.evaluate.planning import EvaluationPlan
from specialize.evaluate.shards import shard_lock
from specialize.evaluate.voting import majority, seed_of
from specialize.io.part import Part
from specialize.pipeline import evaluate_run, merge
from specialize.records import Example
from tests.support import toys
from tests.support.evaluation_toys import (
    SIZE,
    random_prompts,
    tiny_gpt2,
    tiny_t5,
    write_checkpoint,
    write_world,
)

UNREAD = "Who knows.\nNobody does."


@pytest.fixture
def world(tmp_path: Path) -> tuple[Recipe, Path]:
    return write_world(tmp_path), tmp_path / "run"


def _with(recipe: Recipe, **update: object) -> Recipe:
    return recipe.model_copy(update={"evaluation": recipe.evaluation.model_copy(update=update)})


@pytest.mark.parametrize(
    ("texts", "chosen"),
    [
        (["The answer is 3", "The answer is 5", "The answer is 5.0"], 1),
        (["The answer is 3", "The answer is 5"], 0),  # equally frequent: the first
        ([UNREAD, UNREAD, "The answer is $1,000"], 2),  # what cannot be read has no vote
        ([UNREAD, UNREAD], 0),
    ],
)
def test_the_majority_counts(texts: list[str], chosen: int) -> None:
    assert majority(texts, "number") == chosen


@given(st.lists(st.sampled_from(["3", "5", "5.0", "7", UNREAD]), min_size=1, max_size=9))
def test_majority_against_counting(answers: list[str]) -> None:
    texts = [f"The answer is {answer}" if answer != UNREAD else UNREAD for answer in answers]
    values = [None if answer == UNREAD else float(answer) for answer in answers]
    best = max((values.count(v) for v in values if v is not None), default=0)
    wanted = next((i for i, v in enumerate(values) if v is not None and values.count(v) == best), 0)
    assert majority(texts, "number") == wanted


@pytest.mark.parametrize("model", [tiny_t5(seed=3), tiny_gpt2(seed=3)], ids=["t5", "gpt2"])
def test_a_draw_depends_on_its_seed_alone(model) -> None:
    """Whatever else is in the batch: one by one, together, in another order."""
    prompts = random_prompts(8, seed=3) * 2
    seeds = list(range(16))

    def drawn(order: list[int], batch_tokens: int) -> dict[int, tuple[int, ...]]:
        draws = Draws(0.9, [seeds[i] for i in order], SIZE)
        asked = [prompts[i] for i in order]
        found = generate(model, asked, Limits(9, batch_tokens), draws=draws)
        return {order[i]: made.ids for batch in found for i, made in batch}

    together = drawn(seeds, 10_000)
    assert drawn(seeds, 1) == together
    assert drawn(seeds[::-1], 60) == together
    assert any(together[i] != together[i + 8] for i in range(8)), "same prompt, other seed"
    cold = generate(model, prompts, Limits(9, 10_000), draws=Draws(1e-4, seeds, SIZE))
    greedy = generate(model, prompts, Limits(9, 10_000))
    assert [dict(batch) for batch in cold] == [dict(batch) for batch in greedy]


def test_an_answer_ends_at_a_stop() -> None:
    model, prompts = tiny_gpt2(seed=5), random_prompts(12, seed=4)
    plain = dict(one for batch in generate(model, prompts, Limits(20, 500)) for one in batch)
    ending = plain[0].ids[5]
    found = generate(model, prompts, Limits(20, 500), stop=Stop(2, lambda ids: ending in ids))
    for i, made in (one for batch in found for one in batch):
        if ending in plain[i].ids:
            assert made.ids == plain[i].ids[: plain[i].ids.index(ending) + 1]
            assert made.finished
        else:
            assert made == plain[i]


def test_stops_cut_the_text(world: tuple[Recipe, Path]) -> None:
    recipe, run = world
    evaluate(recipe, run)
    texts = {p.id: p.text for file in prediction_files(run) for p in file.read()}
    stop = next(text for text in texts.values() if len(text) > 4)[2:4]
    evaluate(_with(recipe, until=(stop,)), run)
    for file in prediction_files(run):
        settings = file.settings()
        assert settings is not None
        assert settings.decoding == f"greedy; ends at {stop!r}"
        for p in file.read():
            assert p.text == texts[p.id].split(stop)[0]


def test_self_consistency_is_seeded_and_kept(
    world: tuple[Recipe, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = world
    several = _with(recipe, samples=3, temperature=0.8, batch_tokens=40)
    scores = evaluate(several, run)
    file = PredictionFile.of(run, "step-000000", "near", "validation", "zero-shot-cot")
    first = file.read()
    assert all(len(p.samples) == 3 and p.text in p.samples for p in first)
    assert any(len(set(p.samples)) > 1 for p in first)
    settings = file.settings()
    assert settings is not None
    assert settings.decoding == "majority of 3 at temperature 0.8, seed 0"
    monkeypatch.setattr(asking, "load_model", _refuse)
    assert evaluate(several, run) == scores, "kept"
    monkeypatch.undo()
    evaluate(_with(recipe, samples=3, temperature=0.8), run.with_name("other"))
    other = PredictionFile.of(
        run.with_name("other"), "step-000000", "near", "validation", "zero-shot-cot"
    )
    assert other.read() == first, "batches change nothing"
    evaluate(several.model_copy(update={"seed": 1}), run)
    assert [p.samples for p in file.read()] != [p.samples for p in first]


def test_votes_are_counted_again_by_the_present_rules(world: tuple[Recipe, Path]) -> None:
    recipe, run = world
    several = _with(recipe, samples=3)
    evaluate(several, run)
    file = PredictionFile.of(run, "step-000000", "near", "validation", "zero-shot-cot")
    lines = [json.loads(line) for line in file.path.read_text().splitlines()]
    lines[0]["samples"] = ["?", *[f"The answer is {lines[0]['gold']}"] * 2]
    file.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    evaluate(several, run)
    assert file.read()[0].text.startswith("The answer is")
    assert file.read()[0].correct


def test_seeds_differ() -> None:
    assert len({seed_of(s, id_, n) for s in (0, 1) for id_ in "ab" for n in (0, 1)}) == 8


@pytest.mark.parametrize("killed", [False, True])
def test_shards_make_what_one_process_makes(world: tuple[Recipe, Path], killed: bool) -> None:
    recipe, run = world
    write_checkpoint(run, 10)
    whole = run.with_name("whole")
    whole.mkdir()
    (whole / "checkpoints").symlink_to(run / "checkpoints")
    scores = evaluate(recipe, whole)
    for index in (1, 0):
        assert evaluate(recipe, run, shard=Part(index, 3)) == []
    assert not (run / "scores.jsonl").exists()
    assert prediction_files(run) == [], "shards write files of their own"
    if killed:
        torn = sorted(run.glob("predictions/*/*.shard-0-of-3.jsonl"))[0]
        torn.write_bytes(torn.read_bytes()[:-9])
    assert evaluate(recipe, run) == scores
    assert not list(run.glob("predictions/*/*.shard-*"))
    assert _contents(run) == _contents(whole)


def test_a_shard_goes_on(world: tuple[Recipe, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, run = world
    evaluate(recipe, run, shard=Part(1, 2))
    monkeypatch.setattr(asking, "load_model", _refuse)
    evaluate(recipe, run, shard=Part(1, 2))
    with pytest.raises(AssertionError, match="was loaded"):
        evaluate(recipe, run, shard=Part(0, 2))
    monkeypatch.undo()
    evaluate(recipe, run, shard=Part(0, 2))
    evaluate(recipe, run)
    monkeypatch.setattr(asking, "load_model", _refuse)
    evaluate(recipe, run, shard=Part(0, 3))


def test_shards_under_other_settings_are_dropped(world: tuple[Recipe, Path]) -> None:
    recipe, run = world
    evaluate(_with(recipe, max_new_tokens=3), run, shard=Part(0, 2))
    evaluate(recipe, run)
    assert max(p.tokens for file in prediction_files(run) for p in file.read()) > 3


def test_processes_divide_the_work(
    world: tuple[Recipe, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = world
    run.mkdir()
    record_recipe(recipe, run)
    monkeypatch.setattr(pool, "_context", toys.forkserver())
    found = evaluate_run(run, "validation", engine=Engine(processes=2))
    assert len(found) == 3
    assert len(read_scores(run / "scores.jsonl")) == 3
    assert not (run / "predictions" / ".shards").exists()
    monkeypatch.setattr(Engine, "run", _refuse)  # nothing is left to ask, so nothing is started
    assert evaluate_run(run, "validation", engine=Engine(processes=2)) == found


def test_shards_are_put_together_without_a_model(
    world: tuple[Recipe, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = world
    run.mkdir()
    record_recipe(recipe, run)
    with pytest.raises(InputError, match=r"are missing, .*; no shard was run"):
        merge(run, "validation")
    evaluate(recipe, run, shard=Part(0, 2))
    with pytest.raises(InputError, match=r"\d+ answers are missing, .*, of shard 1/2; run each"):
        merge(run, "validation")
    evaluate(recipe, run, shard=Part(1, 2))
    monkeypatch.setattr(asking, "load_model", _refuse)
    assert len(merge(run, "validation")) == 3
    assert not (run / "predictions" / ".shards").exists()


def test_one_job_answers_a_shard(world: tuple[Recipe, Path]) -> None:
    recipe, run = world
    with shard_lock(run, "validation", Part(0, 2)):
        with pytest.raises(LockedError, match=r"validation.0-of-2 is being written by process"):
            evaluate(recipe, run, shard=Part(0, 2))
        with pytest.raises(LockedError, match=r"validation.0-of-2 is being written by process"):
            evaluate(recipe, run)


@pytest.mark.parametrize("text", ["1", "2/2", "-1/2", "a/b", "1/0", "1/2/3"])
def test_a_shard_that_is_none(text: str) -> None:
    with pytest.raises(ConfigurationError, match="shard"):
        Part.parse(text)


def test_every_task_has_its_published_prompt(world: tuple[Recipe, Path], tmp_path: Path) -> None:
    recipe, _ = world
    path = tmp_path / "tasks.jsonl"
    examples = [
        Example(id=f"t/{i}", question=f"{task} {i}?", answer=str(i), task=task)
        for i, task in enumerate(["sort", "count"] * 6)
    ]
    datasets.write_jsonl(path, examples)
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    for task in ("sort", "count"):
        shown = f"Q: {task} ten?\nA: Let's think step by step.\nHm. So the answer is 10."
        (prompts / f"{task}.txt").write_text(f"canary GUID x\n-----\nDo {task}.\n\n{shown}\n")
    spec = EvaluationSet(
        set="jsonl", role="general", path=str(path), protocol="first", limit=2, kind="bbh",
        prompts=str(prompts),
    )  # fmt: skip
    recipe = _with(recipe, sets=(spec,), formats=("in-context-cot", "in-context-answer"))
    cot, answer = EvaluationPlan(recipe).of("validation")
    assert [e.id for e in cot.examples] == ["t/0", "t/2", "t/1", "t/3"], "two of every task"
    tested = EvaluationPlan(recipe).of("test")[0].examples
    assert [e.id for e in tested] == ["t/4", "t/6", "t/5", "t/7"]
    assert cot.prompts[0] == (
        "Do sort.\n\nQ: sort ten?\nA: Let's think step by step.\nHm. So the answer is 10.\n\n"
        "Q: sort 0?\nA: Let's think step by step.\n"
    )
    assert (
        answer.prompts[2] == "Do count.\n\nQ: count ten?\nA: the answer is 10.\n\nQ: count 1?\nA:"
    )
    (prompts / "sort.txt").write_text(
        "Q: sort 4?\nA: Let's think step by step. So the answer is 4."
    )
    with pytest.raises(ConfigurationError, match=r"sort\.txt: .* held-out question 't/4'"):
        EvaluationPlan(recipe).of("validation")


@pytest.mark.realdata
def test_published_prompts_of_all_27_tasks(world: tuple[Recipe, Path], data_dir: Path) -> None:
    """Each prompt is the published file, then the question."""
    recipe, _ = world
    spec = EvaluationSet(
        set="bbh", role="general", path=str(data_dir / "bbh" / "bbh"), protocol="first", limit=60,
        prompts=str(data_dir / "bbh" / "cot-prompts"),
    )  # fmt: skip
    recipe = _with(recipe, sets=(spec,), formats=("in-context-cot", "in-context-answer"))
    cot, answer = EvaluationPlan(recipe).of("validation")
    assert len(cot.examples) == 27 * 60
    for example, prompt, short in zip(cot.examples, cot.prompts, answer.prompts, strict=True):
        published = (data_dir / "bbh" / "cot-prompts" / f"{example.task}.txt").read_text()
        text = published.split("-----\n", 1)[1].strip("\n")
        line = "" if "\nA: Let's think step by step. " in text else "\n"
        assert prompt == f"{text}\n\nQ: {example.question}\nA: Let's think step by step.{line}"
        assert "step by step" not in short
        assert short.endswith(f"Q: {example.question}\nA:")


def _contents(run: Path) -> dict[str, bytes]:
    files = [path for path in run.rglob("*") if path.is_file() and "checkpoints" not in path.parts]
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def _refuse(path: Path) -> None:
    raise AssertionError(f"{path} was loaded")
