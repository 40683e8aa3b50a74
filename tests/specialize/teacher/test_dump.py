"""The dump stage: what is asked, what is kept of it, and that it survives being killed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from specialize.config.recipe import Teacher as TeacherSettings
from specialize.errors import ConfigurationError, InputError, LockedError
from specialize.formats import DemonstrationPool
from specialize.records import Example, Response
from specialize.store import Store, StoreWriter, verify
from specialize.teacher.asks import build_asks, sample_seed
from specialize.teacher.dump import dump
from specialize.teacher.planning import plan
from specialize.teacher.protocol import Finish
from specialize.teacher.statistics import summarize
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.scripted_teacher import ScriptedTeacher

ROOT = Path(__file__).parents[3]
EXAMPLES = toys.examples(6)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(toys.gpt2())


def settings_of(**values: object) -> TeacherSettings:
    return TeacherSettings.model_validate({"max_new_tokens": 30, **values})


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(p.relative_to(root)): p.read_bytes() for p in files if not p.name.startswith(".")}


def answers(prompt: str, turn: int) -> tuple[str, Finish]:
    """Right, wrong, silent, cut, without announcement, empty; by turn."""
    right = next(e.answer for e in EXAMPLES if f"{e.question}\n" in prompt)
    said: list[tuple[str, Finish]] = [
        (f"It is so.\nThe answer is {right}", "eos"),
        ("It is so.\nThe answer is 1\n\nQ: next", "eos"),
        (f"So {right}", "eos"),
        (f"It is so.\nThe answer is {right}", "length"),
        (f"It is so.\nThe answer is ${right}.00\n", "answer"),
        (" ", "eos"),
    ]
    return said[turn]


# ---- what is asked ---------------------------------------------------------------------------


def test_samples_of_a_question_share_their_demonstrations() -> None:
    settings = settings_of(format="in-context-cot", num_fewshot=2, samples=3)
    asks = build_asks(EXAMPLES, settings, seed=1)
    assert len(asks.entries) == 18
    for number, ask in enumerate(asks.entries):
        assert (ask.example, ask.sample) == (EXAMPLES[number // 3], number % 3)
        assert ask.prompt == asks.entries[number - ask.sample].prompt
        assert ask.prompt.count("The answer is") == 2
        assert ask.prompt.count(ask.example.question) == 1
    assert len({ask.seed for ask in asks.entries}) == 18
    assert build_asks(EXAMPLES, settings, seed=1) == asks
    assert build_asks(EXAMPLES, settings, seed=2).prompt_digest != asks.prompt_digest


def test_held_out_examples_are_never_shown() -> None:
    pool = DemonstrationPool(EXAMPLES, {e.id for e in EXAMPLES[2:5]})
    settings = settings_of(format="in-context-cot", num_fewshot=2)
    asks = build_asks(EXAMPLES[3:5], settings, pool=pool)
    shown = "".join(ask.prompt for ask in asks.entries)
    assert EXAMPLES[2].question not in shown
    assert [shown.count(e.question) for e in EXAMPLES[3:5]] == [1, 1]


def test_a_published_prompt_leaves_out_the_question_itself(tmp_path: Path) -> None:
    blocks = [
        f"Question: {e.question}\nLet's think step by step\n{e.rationale}\nThe answer is {e.answer}"
        for e in EXAMPLES[:2]
    ]
    file = tmp_path / "prompt.txt"
    file.write_text("\n\n".join(blocks) + "\n")
    asks = build_asks(EXAMPLES[:3], settings_of(prompt_file=str(file)))
    counts = [[a.prompt.count(e.question) for e in EXAMPLES[:3]] for a in asks.entries]
    assert counts == [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    assert asks.entries[2].prompt.startswith(blocks[0])
    assert asks.entries[0].prompt.endswith(f"{EXAMPLES[0].question}\nLet's think step by step\n")


def test_given_texts() -> None:
    bare = [*EXAMPLES[:2], *[type(e)(e.id, e.question, e.answer) for e in EXAMPLES[2:4]]]
    asks = build_asks(bare, settings_of(mode="score"))
    assert asks.left_out == (EXAMPLES[2].id, EXAMPLES[3].id)
    assert asks.entries[0].text == "He has 3 + 4 = 7 apples.\nThe answer is 7"
    answer_only = settings_of(mode="score", format="zero-shot-answer")
    assert [a.text for a in build_asks(bare, answer_only).entries][:1] == [" The answer is 7"]
    anew = build_asks(bare, answer_only, continues=False)
    assert anew.entries[3].text == "The answer is 90"


def test_a_teacher_is_asked_about_the_tasks_that_it_names() -> None:
    tasks = ("long", "short", "", "short", "long", "sums")
    several = [replace(e, task=task) for e, task in zip(EXAMPLES, tasks, strict=True)]
    asked = {ask.example.task for ask in build_asks(several, settings_of()).entries}
    assert asked == set(tasks)
    some = build_asks(several, settings_of(tasks=("sums", "short"), samples=2))
    assert [ask.example.id for ask in some.entries[::2]] == [EXAMPLES[i].id for i in (1, 3, 5)]
    message = "no question has task 'sum'; tasks of this set: long, short, sums"
    with pytest.raises(ConfigurationError, match=message):
        build_asks(several, settings_of(tasks=("sum",)))
    with pytest.raises(ConfigurationError, match="tasks of this set: none"):
        build_asks(EXAMPLES, settings_of(tasks=("sum",)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "score", "samples": 2}, "one given text a question, but samples is 2"),
        ({"format": "in-context-cot"}, "at least 1 demonstration"),
        ({"format": "in-context-cot", "num_fewshot": 9}, "9 demonstrations wanted"),
        ({"format": "explain", "prompt_file": "p.txt"}, "takes no demonstrations"),
        ({"format": "zero-shot"}, "unknown format"),
    ],
)
def test_asking_refuses(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build_asks(EXAMPLES, settings_of(**values))
    with pytest.raises(ConfigurationError, match="nothing to ask: 0 examples"):
        build_asks([], settings_of())


def test_half_characters_are_refused_by_id() -> None:
    broken = [EXAMPLES[0], Example("toy/train/9", "Half \ud800 is?", "1")]
    with pytest.raises(InputError, match=r"example 'toy/train/9' holds U\+D800"):
        build_asks(broken, settings_of())


def test_seeds_are_pinned() -> None:
    """A seed that changes would make every published store irreproducible."""
    assert sample_seed(0, "gsm8k/train/00000", 0) == 0x81E4CF56C336D90E
    assert sample_seed(0, "gsm8k/train/00000", 0) != sample_seed(0, "gsm8k/train/00000", 1)


# ---- what is kept ----------------------------------------------------------------------------


def test_everything_is_stored_and_every_loss_has_its_reason(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    teacher = ScriptedTeacher(tokenizer, answers)
    summary = dump(teacher, EXAMPLES, tmp_path / "s", settings_of(samples=6), shard_samples=7)
    assert summary.dropped == {
        "empty": 6,
        "cut by length": 6,
        "no answer line": 6,
        "wrong answer": 6,
    }
    store = Store.open(tmp_path / "s")
    assert len(store) == 36
    assert verify(tmp_path / "s").ok
    assert store.summary["dropped"] == summary.dropped
    assert store.summary["correct"] == 12
    for example in EXAMPLES:
        told = [store[example.id, turn].response for turn in range(6)]
        assert [r.correct for r in told] == [True, False, False, False, True, False]
        assert told[1].text == "It is so.\nThe answer is 1"
        assert told[0].prompt.startswith("Q: ")
        assert not any(r.prompt for r in told[1:])
        ended = store[example.id, 0]
        assert ended.token_id[-1] == tokenizer.eos
        assert tokenizer.decode(ended.token_id.tolist()) == ended.response.text
    used = store.vocabulary()
    assert used[tokenizer.encode("The")[0]] == tokenizer.pieces(tokenizer.encode("The"))[0]
    assert store.align_vocabulary().eos == tokenizer.eos
    assert summary.statistics.first_sample is not None
    assert summary.statistics.first_sample.value == 1.0
    assert summary.statistics.duplicates == 6  # the one cut by length says the same as the first


def test_only_missing_shards_are_asked_again(tokenizer: Tokenizer, tmp_path: Path) -> None:
    out, settings = tmp_path / "s", settings_of(samples=2)
    whole = dump(ScriptedTeacher(tokenizer, answers), EXAMPLES, out, settings, shard_samples=5)
    assert whole.resumed == 0
    before = tree(out)
    (out / "summary.json").unlink()
    manifest = (out / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    (out / "manifest.jsonl").write_bytes(b"".join([manifest[0], manifest[2]]))
    teacher = ScriptedTeacher(tokenizer, lambda prompt, _: answers(prompt, 1))
    teacher.asked = []
    again = dump(teacher, EXAMPLES, out, settings, shard_samples=5)
    assert again.resumed == 7
    assert len(teacher.asked) == 5
    assert tree(out).keys() == before.keys()
    rest = ScriptedTeacher(tokenizer, answers)
    finished = dump(rest, EXAMPLES, out, settings, shard_samples=5)
    assert finished.resumed == 12
    assert rest.asked == []


def test_other_settings_are_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    out, teacher = tmp_path / "s", ScriptedTeacher(tokenizer, answers)
    dump(teacher, EXAMPLES, out, settings_of(samples=2), seed=3)
    for changed, seed, key in [
        ({"samples": 3}, 3, "settings.samples: 2 in the store, 3 now"),
        ({"samples": 2}, 4, "settings.seed: 3 in the store, 4 now"),
        ({"samples": 2, "temperature": 0.5}, 3, "temperature: 0.7 in the store, 0.5 now"),
        ({"samples": 2, "top_k": 4}, 3, "k: 5 in the store, 4 now"),
    ]:
        with pytest.raises(ConfigurationError, match=key):
            dump(teacher, EXAMPLES, out, settings_of(**changed), seed=seed)
    with pytest.raises(ConfigurationError, match="prompt: 'zero-shot-cot sha256"):
        dump(teacher, EXAMPLES[:5], out, settings_of(samples=2), seed=3)
    dump(teacher, EXAMPLES, out, settings_of(samples=3), seed=3, restart=True)
    assert len(Store.open(out)) == 18


def test_a_prompt_beyond_the_context_is_refused_first(tokenizer: Tokenizer, tmp_path: Path) -> None:
    teacher = ScriptedTeacher(tokenizer, answers, context=20)
    with pytest.raises(ConfigurationError, match=r"'toy/train/00000' needs \d+ tokens.* of 20"):
        dump(teacher, EXAMPLES, tmp_path / "s", settings_of())
    assert not (tmp_path / "s").exists()
    assert teacher.asked == []


def test_two_writers(tokenizer: Tokenizer, tmp_path: Path) -> None:
    teacher = ScriptedTeacher(tokenizer, answers)
    dump(teacher, EXAMPLES, tmp_path / "s", settings_of())
    description = Store.open(tmp_path / "s").description
    with (
        StoreWriter(tmp_path / "s", description, shard_samples=512),
        pytest.raises(LockedError),
    ):
        dump(teacher, EXAMPLES, tmp_path / "s", settings_of())


def test_plan_is_what_happens(tokenizer: Tokenizer, tmp_path: Path) -> None:
    teacher = ScriptedTeacher(tokenizer, lambda prompt, _: answers(prompt, 0))
    settings = settings_of(samples=2)
    planned = plan(teacher, EXAMPLES, tmp_path / "deep" / "s", settings, shard_samples=5)
    assert not (tmp_path / "deep").exists()
    summary = dump(teacher, EXAMPLES, tmp_path / "deep" / "s", settings, shard_samples=5)
    assert (planned.questions, planned.rows, planned.shards) == (6, 12, 3)
    assert planned.tokens == summary.positions
    assert planned.tokens_at_most == 12 * 30
    assert planned.bytes >= planned.tokens * 26
    assert planned.fits
    assert planned.as_json()["rows"] == 12


# ---- what it amounts to ----------------------------------------------------------------------


def responses(table: dict[str, list[tuple[str | None, bool | None]]]) -> list[Response]:
    return [
        Response(question, i, "", f"The answer is {answer}", answer, correct)
        for question, said in table.items()
        for i, (answer, correct) in enumerate(said)
    ]


def test_statistics_by_hand() -> None:
    found = summarize(
        responses(
            {
                "a": [("7", True), ("7.0", True), ("8", False), ("7", True)],
                "b": [("5", True), ("6", False), ("6.0", False), (None, False)],
                "c": [("1", False), ("2", True)],
            }
        )
    )
    assert (found.questions, found.responses, found.correct, found.judged) == (3, 10, 5, 10)
    assert found.first_sample is not None
    assert found.majority_vote is not None
    assert (found.first_sample.correct, found.first_sample.total) == (2, 3)
    assert (found.majority_vote.correct, found.majority_vote.total) == (1, 3)
    assert found.pass_at[1] == pytest.approx((3 / 4 + 1 / 4 + 1 / 2) / 3)
    assert found.pass_at[2] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert found.pass_at[4] == pytest.approx(1.0)
    assert list(found.pass_at) == [1, 2, 4]
    assert found.duplicates == 1  # "7" twice; "6" and "6.0" are two texts


def test_statistics_without_gold_answers() -> None:
    found = summarize(responses({"a": [("7", None), ("8", None)]}))
    assert found.first_sample is None
    assert found.pass_at == {}
    assert "first_sample_accuracy" not in found.as_json()
    assert summarize([]).responses == 0


# ---- killed ----------------------------------------------------------------------------------

PROGRAM = """
import os, sys
from pathlib import Path
import torch
from specialize.io import fault_injection as faults
from specialize.config.recipe import Teacher
from specialize.teacher.dump import dump
from specialize.teacher.local.teacher import load_teacher
from tests.support.teacher_toys import examples

torch.set_num_threads(1)
teacher = load_teacher(sys.argv[1], device="cpu")
settings = Teacher(samples=3, max_new_tokens=12)

def run(out, fault):
    child = os.fork()
    if child == 0:
        faults.arm(fault)
        dump(teacher, examples(8), Path(out), settings, seed=5, shard_samples=6)
        os._exit(0)
    return os.waitpid(child, 0)[1]

assert run(sys.argv[2] + "/whole", 0) == 0
for fault in range(4, 64, 9):
    assert run(f"{sys.argv[2]}/killed-{fault}", fault) == 9
    assert run(f"{sys.argv[2]}/killed-{fault}", 7) == 9
    assert run(f"{sys.argv[2]}/killed-{fault}", 0) == 0
"""


@pytest.mark.slow  # every operation of a toy's dump is in cli/test_stage_faults.py
def test_killed_and_resumed_is_byte_identical(tmp_path: Path) -> None:
    """Killed at seven places, killed again soon after, then finished."""
    command = [sys.executable, "-c", PROGRAM, str(toys.gpt2()), str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    assert subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0
    whole = tree(tmp_path / "whole")
    killed = sorted(tmp_path.glob("killed-*"))
    assert len(killed) == 7
    for path in killed:
        assert tree(path) == whole
    assert verify(tmp_path / "whole").ok
