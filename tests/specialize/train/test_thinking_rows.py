"""A teacher's thinking from dump to loss: left out, only read, or learned with its rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from specialize.config.yaml_files import build_recipe, build_teacher
from specialize.errors import ConfigurationError, InputError, NothingPassedError
from specialize.records import Message
from specialize.rows import Row, RowSet, build_rows
from specialize.store import Store
from specialize.targets.stage import write_targets
from specialize.teacher.dump import dump
from specialize.teacher.local.teacher import load_teacher
from specialize.tokens import Tokenizer, load_tokenizer
from specialize.train.preparation import check_chats
from specialize.train.targets_dataset import TargetsDataset
from tests.support import teacher_toys as toys

WIDTH = 357  # most entries of a row: nearly all ids, so that little is in the tail
THOUGHT = "I add 3 and 4.\nThat is 7?"
EXAMPLES = [
    replace(one, rationale=f"<think>\n{THOUGHT} No. {one.answer}\n</think>\n\n{one.rationale}")
    for one in toys.examples(3)
]


def scored(folder: Path, **chat: object) -> Path:
    """The examples' rationales, scored by the teacher that thinks."""
    settings = build_teacher(
        {"model": "toy", "mode": "score", "format": "chat-cot", "top_logprobs": WIDTH,
         "chat": {"thinking": "train", **chat}}, (),
    )  # fmt: skip
    dump(load_teacher(str(toys.thinking())), EXAMPLES, folder, settings)
    return folder


def recipe_of(student: Path, thinking: str, **changes: object):
    objective = {"name": "all", "format": "chat-cot", "target": "distribution", "teacher": "toy",
                 "keep": "all"}  # fmt: skip
    return build_recipe(
        {
            "student": str(student), "train_on": {"set": "jsonl"}, "teachers": {"toy": {}},
            "chat": {"thinking": thinking, "arguments": changes.pop("arguments", {})},
            "objectives": [{**objective, **changes}],
        }
    )  # fmt: skip


def rows_of(targets: Path, student: Path, thinking: str, **changes: object) -> RowSet:
    recipe = recipe_of(student, thinking, **changes)
    stores = {"toy": Store.open(targets)}
    return build_rows(recipe, EXAMPLES, stores, load_tokenizer(student), encoder_decoder=False)


@pytest.fixture(scope="module")
def responses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scored(tmp_path_factory.mktemp("thinking") / "responses")


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory, responses: Path) -> Path:
    folder = tmp_path_factory.mktemp("thinking") / "targets"
    write_targets(responses, folder, student=str(toys.thinking()), top_k=WIDTH)
    return folder


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(toys.thinking())


def test_the_store_holds_the_thinkings_rows_before_the_texts(
    responses: Path, tokenizer: Tokenizer
) -> None:
    for example in EXAMPLES:
        sample = Store.open(responses)[example.id, 0]
        response = sample.response
        before, said = sample.thought(), sample.content()
        assert "<think>" not in response.text
        assert response.text.startswith(example.rationale.rpartition("\n\n")[2])
        assert response.thinking == f"{THOUGHT} No. {example.answer}"
        spelled = b"".join(tokenizer.pieces(before.token_id.tolist())).decode()
        assert spelled == f"<think>\n{response.thinking}\n</think>\n\n"
        assert tokenizer.decode(said.token_id[:-1].tolist()) == response.text
        assert len(before) + len(said) == len(sample)
        assert said.response.thinking_tokens == 0
        assert response.correct


def test_the_store_names_control_tokens_that_are_not_special(
    responses: Path, tokenizer: Tokenizer
) -> None:
    named = [tokenizer.encode(mark) for mark in ("<think>", "</think>")]
    chat = Store.open(responses).description.settings["chat"]
    assert chat["control"] == tokenizer.named_control() == sorted(ids[0] for ids in named)


def test_a_store_that_drops_thinking_is_as_before(tmp_path: Path, responses: Path) -> None:
    dropped, kept = (
        scored(tmp_path / "drop", thinking="drop"),
        scored(tmp_path / "keep", thinking="keep"),
    )
    for example in EXAMPLES:
        whole = Store.open(dropped)[example.id, 0]
        assert whole.response.text.startswith("<think>")
        assert "thinking" not in Store.open(dropped).description.settings["chat"]
        apart = Store.open(kept)[example.id, 0]
        said = Store.open(responses)[example.id, 0].content()
        assert apart.response.thinking_tokens == 0
        assert apart.response.thinking
        np.testing.assert_array_equal(apart.token_id, said.token_id)
        np.testing.assert_array_equal(apart.distributions.logprobs, said.distributions.logprobs)
    with pytest.raises(ConfigurationError, match=r"settings\.chat\.thinking: '?train'? .*keep"):
        scored(responses, thinking="keep")


def whole_target(row: Row, tokenizer: Tokenizer) -> str:
    return b"".join(tokenizer.pieces(row.target_ids.tolist())).decode()


def test_drop_keep_and_train(targets: Path, tokenizer: Tokenizer) -> None:
    drop, keep, train = (
        rows_of(targets, toys.thinking(), wanted).rows for wanted in ("drop", "keep", "train")
    )
    assert len(drop) == len(keep) == len(train) == len(EXAMPLES)
    for left, read, learned in zip(drop, keep, train, strict=True):
        assert left.learned is None
        assert "think" not in whole_target(left, tokenizer)
        assert learned.learned is not None
        assert learned.learned.all()
        assert np.array_equal(read.target_ids, learned.target_ids)
        before = len(read.target_ids) - len(left.target_ids)
        assert read.carries_loss().tolist() == [i >= before for i in range(len(read.target_ids))]
        assert read.target_ids[before:].tolist() == left.target_ids.tolist()
        np.testing.assert_array_equal(
            read.distributions[before:].logprobs, left.distributions.logprobs
        )
        assert tokenizer.chat is not None
        example = next(e for e in EXAMPLES if e.id == learned.key[0])
        thought = f"{THOUGHT} No. {example.answer}"
        rendered = tokenizer.chat.render(
            [Message("user", "?"), Message("assistant", "SAID", thinking=thought)], answer=False
        )
        marks = rendered.partition("assistant\n")[2].partition("SAID")[0]
        assert whole_target(learned, tokenizer).startswith(marks)
    counts = rows_of(targets, toys.thinking(), "keep").counts()["all"]
    assert counts["learned_tokens"] == sum(len(row.target_ids) for row in drop)
    assert (
        len({rows_of(targets, toys.thinking(), w).digest for w in ("drop", "keep", "train")}) == 3
    )


@pytest.mark.parametrize("opened", [False, True])
def test_a_student_that_is_the_teacher_begins_at_its_thinkings_rows(
    tmp_path: Path, opened: bool, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KL <= 0.01 nats in every row but those of marks that are certain, the ends' rows included."""
    arguments = {"opened": True} if opened else {}
    if opened:  # a teacher whose prompt opens the thinking is given what follows that
        monkeypatch.setattr(
            f"{__name__}.EXAMPLES",
            [replace(e, rationale=e.rationale.removeprefix("<think>\n")) for e in EXAMPLES],
        )
    responses = scored(tmp_path / "responses", arguments=arguments)
    write_targets(responses, tmp_path / "targets", student=str(toys.thinking()), top_k=WIDTH)
    made = rows_of(tmp_path / "targets", toys.thinking(), "train", arguments=arguments).rows
    model = AutoModelForCausalLM.from_pretrained(toys.thinking()).eval()
    assert len(made) == 3
    for row in made:
        ids = torch.from_numpy(np.concatenate([row.prompt_ids, row.target_ids]).astype(np.int64))
        with torch.no_grad():
            log_q = model(ids[None]).logits[0].log_softmax(-1)[len(row.prompt_ids) - 1 : -1]
        certain = []
        for at in range(len(row.target_ids)):
            one = row.distributions[at : at + 1]
            if one.is_hard[0]:
                certain.append(int(row.target_ids[at]))
                continue
            p = np.exp(one.logprobs.astype(np.float64))
            kl = (p * (one.logprobs - log_q[at, one.ids.astype(np.int64)].double().numpy())).sum()
            assert abs(kl) <= 0.01
        around = b"".join(tokenizer.pieces(certain)).decode()
        assert around == ("\n\n" if opened else "<think>\n\n\n")
        closing = tokenizer.encode("</think>")
        assert len(closing) == 1
        assert not row.distributions.is_hard[row.target_ids.tolist().index(closing[0])]


def test_thinking_reaches_another_vocabulary(tmp_path: Path, responses: Path) -> None:
    """Marks of the student's own template, of several tokens here; contents alone have rows."""
    student = tmp_path / "student"
    load_tokenizer(toys.chat()).save(student)
    (student / "chat_template.jinja").write_text(
        toys.THINKING.replace("<think>", "[THINK]").replace("</think>", "[/THINK]")
    )
    write_targets(responses, tmp_path / "targets", student=str(student), top_k=20)
    mine = load_tokenizer(student)
    made = rows_of(tmp_path / "targets", student, "train").rows
    stored = Store.open(tmp_path / "targets")
    for row in made:
        example = next(e for e in EXAMPLES if e.id == row.key[0])
        text = whole_target(row, mine)
        thought = f"{THOUGHT} No. {example.answer}"
        assert text.startswith(f"[THINK]\n{thought}\n[/THINK]\n\n")
        assert "<think>" not in text
        sample = stored[row.key]
        assert sample.thought().token_id[-1] == mine.eos  # where the closing mark was
        assert not sample.thought().distributions.is_hard[:-1].all()
        assert row.target_ids[-1] == mine.turn_end
        np.testing.assert_allclose(row.distributions.mass(), 1, atol=1e-2)
        control = set(mine.special_tokens().values())
        assert control & set(sample.distributions.ids.tolist()) == {mine.eos}


def test_thinking_without_rows_is_read_but_not_learned(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    kept = scored(tmp_path / "keep", thinking="keep")
    write_targets(kept, tmp_path / "targets", student=str(toys.thinking()), top_k=5)
    read = rows_of(tmp_path / "targets", toys.thinking(), "keep").rows
    assert all(whole_target(row, tokenizer).startswith(f"<think>\n{THOUGHT}") for row in read)
    with pytest.raises(NothingPassedError, match="3 thinking_without_rows"):
        rows_of(tmp_path / "targets", toys.thinking(), "train")
    hard = rows_of(tmp_path / "targets", toys.thinking(), "train", target="rationale").rows
    assert all(row.distributions.is_hard.all() for row in hard)
    assert all(row.carries_loss().all() for row in hard)
    assert all(whole_target(row, tokenizer).startswith(f"<think>\n{THOUGHT}") for row in hard)


def test_a_dataset_of_targets_leaves_thinking_out(targets: Path, tokenizer: Tokenizer) -> None:
    prompts = {example.id: example.question for example in EXAMPLES}
    found = TargetsDataset(targets, str(toys.thinking()), prompts=prompts, keep="all")
    assert len(found) == 3
    for number in range(3):
        assert THOUGHT not in tokenizer.decode(found[number].target_ids.tolist())


def test_a_student_without_marks_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"has no marks for thinking; leave it at drop, or train"):
        check_chats(recipe_of(toys.chat(), "keep"))
    with pytest.raises(InputError, match=r"an empty block of thinking into its prompt; turn it on"):
        check_chats(recipe_of(toys.thinking(), "train", arguments={"enable_thinking": False}))
    check_chats(recipe_of(toys.chat(), "drop"))
    check_chats(recipe_of(toys.thinking(), "train"))


def test_recipes_that_cannot_hold_thinking_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no objective teaches a teacher's text in a chat"):
        recipe_of(toys.thinking(), "keep", format="zero-shot-cot")
    asked = {"teachers": {"toy": {"model": "big", "format": "chat-cot"}}}
    given = recipe_of(toys.thinking(), "train").model_dump(mode="json")
    with pytest.raises(ConfigurationError, match=r"set teachers\.toy\.chat\.thinking: train"):
        build_recipe({**given, **asked})
