r"""Where a teacher's text is over, what is stored of it, and the row of its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from align import from_padded
from specialize.config.recipe import Teacher as TeacherSettings
from specialize.records import Example
from specialize.store import Sample, Store
from specialize.teacher.cutting import Cut, cut_at_answer, cut_at_stop, with_likeliest_end
from specialize.teacher.dump import dump
from specialize.teacher.protocol import Finish, ScoredText
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.scripted_teacher import ScriptedTeacher
from tests.support.store_samples import topk_id, topk_logprob

CHECK = "I check whether the answer is positive: 3\n1 + 2 = 3.\nThe answer is 3"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(toys.gpt2())


def teacher_of(tokenizer: Tokenizer, text: str = "", finish: Finish = "eos") -> ScriptedTeacher:
    return ScriptedTeacher(tokenizer, lambda *_: (text, finish))


def dumped(
    tokenizer: Tokenizer,
    path: Path,
    text: str,
    finish: Finish = "eos",
    *,
    gold: str = "3",
    choices: tuple[str, ...] = (),
    **settings: object,
) -> tuple[Sample, dict[str, int]]:
    example = Example("toy/train/0", "How many?", gold, choices=choices)
    asked = TeacherSettings.model_validate(settings)
    kind = "choice" if choices else "number"
    found = dump(teacher_of(tokenizer, text, finish), [example], path / "s", asked, kind=kind)
    [sample] = Store.open(path / "s")
    return sample, found.dropped


# what the teacher wrote, and what is kept of it (None: all)
WRITTEN = [
    (CHECK, None),
    (CHECK + "\n\nQ: Tim", CHECK),
    ("So the answer is:\n\\[\n3\n\\]\nI hope that helps.", "So the answer is:\n\\[\n3\n\\]"),
    ("The answer is:\n3\n\nQ: more", "The answer is:\n3"),
    ("The answer is\n\n3 apples.\nBye", "The answer is\n\n3 apples."),
    ("The answer is as follows:\n- 1 + 2\n- which is 3\nThe answer is 3.", None),
    ("<think>\nThe answer is 4\n\nNo.\n</think>\nThe answer is 3\n\nQ:",
     "<think>\nThe answer is 4\n\nNo.\n</think>\nThe answer is 3"),
    ("The answer is in dollars.\nSo 1 + 2 = 3.\n#### 3\nNext", "The answer is in dollars.\n"
     "So 1 + 2 = 3.\n#### 3"),
    ("The answer is 3", None),
    ("It is so.\nThe answer is 3\n", "It is so.\nThe answer is 3"),
    ("é ß\nThe answer is 3 é\nß", "é ß\nThe answer is 3 é"),
    ("It is 3.\nNo more\n", None),
    ("", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kept"), WRITTEN)
def test_a_text_is_whole_until_a_complete_answer_is_over(
    text: str, kept: str | None, tokenizer: Tokenizer
) -> None:
    scored = teacher_of(tokenizer).scored(text, "length", 3, 0)
    cut = cut_at_answer(scored, Cut(), tokenizer)
    if kept is None:
        assert cut is scored
        return
    assert (cut.text, cut.finish) == (kept, "answer")
    *words, end = cut.token_id.tolist()
    assert b"".join(tokenizer.pieces(words)).decode() == kept
    assert end == tokenizer.eos
    rows = len(cut)  # the end has the row of the token that came next
    np.testing.assert_array_equal(topk_logprob(cut), topk_logprob(scored)[:rows])
    np.testing.assert_array_equal(cut.distributions.tail, scored.distributions.tail[:rows])
    np.testing.assert_array_equal(cut.token_logprob[:-1], scored.token_logprob[: rows - 1])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (CHECK, CHECK.split("\n")[0]),
        ("So 7.\nThe answer is 7\n\nQ: more", "So 7.\nThe answer is 7"),
        ("The answer is\n7", "The answer is"),
        ("The answer is 7", None),
        ("It is 7\n", None),
    ],
)
def test_the_published_rule_is_for_its_own_prompt(
    text: str, kept: str | None, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    scored = teacher_of(tokenizer).scored(text, "length", 3, 0)
    cut = cut_at_answer(scored, Cut("published"), tokenizer)
    assert cut is scored if kept is None else cut.text == kept
    if kept is not None:
        sample, _ = dumped(tokenizer, tmp_path, text, cut="published")
        assert sample.response.text == kept
    sample, _ = dumped(tokenizer, tmp_path / "whole", text, cut="none")
    assert sample.response.text == text


def test_a_choice_is_complete_by_its_text(tokenizer: Tokenizer, tmp_path: Path) -> None:
    text = "Fog needs water.\nThe answer is a marsh\nThe answer is a tundra"
    options = {"gold": "a marsh", "choices": ("a marsh", "a tundra")}
    sample, dropped = dumped(tokenizer, tmp_path, text, **options)
    assert sample.response.text == "Fog needs water.\nThe answer is a marsh"
    assert dropped == {"wrong answer": 1}  # the whole text says another


@pytest.mark.parametrize(
    ("text", "gold", "right"),
    [
        ("The answer is 3\nWait. The answer is 4", "3", False),
        ("The answer is 3\nWait. The answer is 4", "4", False),
        ("The answer is 3\n\nQ: How many pens?\nThe answer is 4", "3", True),
        ("The answer is 3\nThe answer is 3.", "3", True),
        (CHECK, "3", True),
    ],
)
def test_a_cut_text_is_never_graded_more_leniently(
    text: str, gold: str, right: bool, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    sample, dropped = dumped(tokenizer, tmp_path, text, gold=gold)
    assert sample.response.correct is right
    assert dropped == ({} if right else {"wrong answer": 1})


@pytest.mark.parametrize(
    ("text", "finish", "finished"),
    [
        ("1 + 2 = 3.\nThe answer is 3", "eos", True),
        ("1 + 2 = 3.\nThe answer is 3", "length", False),
        ("1 + 2 = 3.\nThe answer is 3\n\nQ:", "length", True),  # over before it was cut
        ("1 + 2", "length", False),
        ("The answer is 3", "stop", True),
    ],
)
def test_cut_by_length_is_not_finished(
    text: str, finish: Finish, finished: bool, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    sample, dropped = dumped(tokenizer, tmp_path, text, finish)
    assert sample.response.finished is finished
    assert dropped.get("cut by length", 0) == (not finished)
    assert sample.response.correct is finished
    assert bool(sample.token_id[-1] == tokenizer.eos) is (finish == "eos" or "Q:" in text)


def test_a_token_in_which_the_line_ends_is_kept_whole(tmp_path: Path) -> None:
    """A vocabulary in which a full stop and a newline are one token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: i for i, piece in enumerate([*alphabet, ".Ċ"])}
    backend = Backend(models.BPE(vocab=vocabulary, merges=[(".", "Ċ")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.save(str(tmp_path / "tokenizer.json"))
    joined = load_tokenizer(tmp_path)
    scored = teacher_of(joined).scored("The answer is 7.\nQ", "length", 3, 0)
    cut = cut_at_answer(scored, Cut(), joined)
    assert cut.text == "The answer is 7.\n"
    assert len(cut) == len(scored) - 1  # without an end there is no row for it


@pytest.mark.parametrize(("ends", "place"), [((7, 5), 1), ((7, 8), None), ((6, 5, 4), 0)])
def test_the_likeliest_listed_end_takes_the_last_place(
    ends: tuple[int, ...], place: int | None
) -> None:
    entries, logprobs = np.array([[3, 2], [4, 5]]), np.log([[0.6, 0.3], [0.5, 0.4]])
    rows = from_padded(entries, logprobs, np.log([0.1, 0.1]))
    given = ScoredText("x", np.array([3, ends[0]]), np.array([-0.5, -9.0]), rows, "given")
    found = with_likeliest_end(given, ends)
    if place is None:
        assert found is given
        return
    assert found.token_id.tolist() == [3, entries[1, place]]
    np.testing.assert_allclose(found.token_logprob, [-0.5, logprobs[1, place]])


def test_a_stop_text_ends_a_text_where_it_begins(tokenizer: Tokenizer) -> None:
    scored = teacher_of(tokenizer).scored("So 3.\n\nQ: é", "length", 5, 0)
    cut = cut_at_stop(scored, ["é", "\n\nQ"], tokenizer)
    assert (cut.text, cut.finish) == ("So 3.", "stop")
    assert cut.token_id[-1] == tokenizer.eos
    assert len(cut) == len(tokenizer.encode("So 3.")) + 1
    np.testing.assert_array_equal(topk_id(cut), topk_id(scored)[: len(cut)])
    assert cut.token_logprob[-1] <= min(topk_logprob(scored)[len(cut) - 1].min(), 0)
    assert cut_at_stop(scored, ["?"], tokenizer) is scored
    assert cut_at_stop(scored, [], tokenizer) is scored
