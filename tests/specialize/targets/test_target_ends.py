"""The end of a target: no more and no less than the teacher gives it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from align import SparseDistributions, ragged
from align.vocabulary import SPECIAL, build_vocabulary
from specialize.config.recipe import Teacher as TeacherSettings
from specialize.records import Response
from specialize.store import Sample, Store, StoreDescription, StoreWriter
from specialize.targets.ends import Ends, control_ids, line_breaks, named_control
from specialize.targets.stage import write_targets
from specialize.teacher.dump import dump
from specialize.teacher.local.teacher import load_teacher
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.store_samples import padded_sample

EOS, TURN, BREAK, TEXT, EXTRA = 0, 1, 2, 3, 4


def rows_of(*rows: dict[int, float]) -> SparseDistributions:
    """Rows of id -> mass, the rest in the tail."""
    ids = [sorted(row, key=lambda i: -row[i]) for row in rows]
    return SparseDistributions(
        np.cumsum([0, *map(len, ids)], dtype=np.int64),
        np.array([i for row in ids for i in row], np.int32),
        np.log([row[i] for row, order in zip(rows, ids, strict=True) for i in order]).astype("f4"),
        np.log1p([-sum(row.values()) + 1e-9 for row in rows]).astype(np.float32),
    )


def as_dicts(rows: SparseDistributions) -> list[dict[int, float]]:
    bounds = zip(rows.indptr[:-1].tolist(), rows.indptr[1:].tolist(), strict=True)
    probabilities = np.exp(rows.logprobs)
    found = [dict(zip(rows.ids[a:b].tolist(), probabilities[a:b].tolist(), strict=True))
             for a, b in bounds]  # fmt: skip
    for row, (a, b) in zip(found, zip(rows.indptr[:-1], rows.indptr[1:], strict=True), strict=True):
        assert (np.diff(rows.logprobs[a:b]) <= 0).all()
        assert len(row) == b - a
    return found


BREAKS = np.array([False, False, True, False, False])
CONTROL = np.array([True, True, False, False, True])


@pytest.mark.parametrize(
    ("ends", "tokens", "before", "after"),
    [
        # one end and nothing to add up
        (Ends(EOS, [EOS]), [TEXT, EOS], [{TEXT: 0.9}, {EOS: 0.5, TEXT: 0.2}],
         [{TEXT: 0.9}, {EOS: 0.5, TEXT: 0.2}]),
        # the other end was written, and both have mass
        (Ends(EOS, [EOS, TURN]), [TEXT, TURN], [{TEXT: 0.9}, {TURN: 0.6, TEXT: 0.2, EOS: 0.1}],
         [{TEXT: 0.9}, {EOS: 0.7, TEXT: 0.2}]),
        # an end that is not the last token adds up too; a smaller sum goes down in its row
        (Ends(EOS, [EOS, TURN]), [TEXT, TEXT], [{TEXT: 0.9, TURN: 0.06}, {TEXT: 0.5, TURN: 0.3}],
         [{TEXT: 0.9, EOS: 0.06}, {TEXT: 0.5, EOS: 0.3}]),
        # line breaks end a text that was cut there, in its last row alone
        (Ends(EOS, [EOS, TURN], BREAKS), [TEXT, EOS],
         [{TEXT: 0.7, BREAK: 0.2}, {BREAK: 0.6, EOS: 0.1, TURN: 0.1, TEXT: 0.15}],
         [{TEXT: 0.7, BREAK: 0.2}, {EOS: 0.8, TEXT: 0.15}]),
        # of a text without an end no line break ends anything
        (Ends(EOS, [EOS], BREAKS), [TEXT, TEXT], [{TEXT: 0.9}, {BREAK: 0.6, TEXT: 0.15}],
         [{TEXT: 0.9}, {BREAK: 0.6, TEXT: 0.15}]),
        # an end that is not stored is made of line breaks alone
        (Ends(EOS, [EOS], BREAKS), [EOS], [{BREAK: 0.6, TEXT: 0.15}], [{EOS: 0.6, TEXT: 0.15}]),
        # one tokenizer on both sides: rows are as they are
        (Ends(EOS, [EOS, TURN], BREAKS, adds_up=False), [TURN], [{TURN: 0.6, BREAK: 0.2}],
         [{TURN: 0.6, BREAK: 0.2}]),
    ],
)  # fmt: skip
def test_masses_of_ends_add_up(
    ends: Ends, tokens: list[int], before: list[dict[int, float]], after: list[dict[int, float]]
) -> None:
    rows = rows_of(*before)
    merged = ends.merged(ragged([tokens]), rows)
    assert as_dicts(merged) == [pytest.approx(row, abs=1e-6) for row in after]
    np.testing.assert_array_equal(merged.tail, rows.tail)
    last = ends.last_tokens(ragged([tokens, [], [TEXT]]))
    wanted = EOS if tokens[-1] in ends.ids else tokens[-1]
    assert last.ids.tolist() == [*tokens[:-1], wanted, TEXT]


def test_pieces_that_begin_with_a_line_break() -> None:
    pieces = [b"", b"\n", b"\n\n", b" \n", b".\n", b"a", b"\nQ"]
    assert line_breaks(build_vocabulary(pieces)).tolist() == [
        False, True, True, False, False, False, True
    ]  # fmt: skip


def store_of(
    path: Path, teacher: Tokenizer, samples: list[Sample], settings: dict[str, object]
) -> None:
    about = StoreDescription(
        kind="responses", teacher="t", tokenizer=teacher.name, fingerprint=teacher.fingerprint,
        vocabulary_size=teacher.size, k=3, settings={"tail": "exact", **settings},
    )  # fmt: skip
    with StoreWriter(path, about, shard_samples=9) as writer:
        writer.write(0, samples)
        writer.finish(teacher.vocabulary(), {})


def sample_of(
    teacher: Tokenizer, number: int, end: dict[int, float] | None, *, finished: bool
) -> Sample:
    """A text whose words are certain, with a last row of ``end`` where there is one."""
    text = f"So {number} apples.\nThe answer is 7"
    words = teacher.encode(text)
    rows = [{token: 0.999} for token in words] + ([end] if end else [])
    ids = np.zeros((len(rows), 3), np.int64)
    logprobs = np.full((len(rows), 3), -np.inf, np.float32)
    for r, row in enumerate(rows):
        order = sorted(row, key=lambda i: -row[i])
        ids[r, : len(row)], logprobs[r, : len(row)] = order, np.log([row[i] for i in order])
    tokens = np.array([*words, *([max(end, key=end.__getitem__)] if end else [])])
    tail = np.log1p([-sum(row.values()) for row in rows]).astype(np.float32)
    response = Response("q", number, "", text, "7", finished, finished=finished)
    return padded_sample(response, tokens, np.zeros(len(tokens), np.float32), ids, logprobs, tail)


@pytest.mark.parametrize("student", [toys.t5, toys.llama])
def test_what_a_student_is_taught_at_the_end(student: object, tmp_path: Path) -> None:
    toys.byte_level(tmp_path / "teacher", turns=True)
    teacher, learner = load_tokenizer(tmp_path / "teacher"), load_tokenizer(student())
    turn = teacher.special_tokens()["<end_of_turn>"]
    assert teacher.eos is not None
    samples = [
        sample_of(teacher, 0, {turn: 0.6, teacher.eos: 0.1}, finished=True),
        sample_of(teacher, 1, None, finished=False),  # cut by length
        sample_of(teacher, 2, None, finished=True),  # ended, nobody says how likely
    ]
    store_of(tmp_path / "r", teacher, samples, {"ends": [teacher.eos, turn]})
    write_targets(tmp_path / "r", tmp_path / "t", student=str(student()), keep="all")
    ended, cut, certain = Store.open(tmp_path / "t")
    for sample in (ended, certain):
        assert sample.token_id[-1] == learner.eos
    assert np.exp(ended.token_logprob[-1]) == pytest.approx(0.7, abs=2e-3)
    assert certain.token_logprob[-1] == 0
    assert learner.eos not in cut.token_id
    assert cut.token_id.tolist() == learner.encode(cut.response.text)


def test_a_student_that_is_the_teacher_learns_the_teachers_rows(tmp_path: Path) -> None:
    """With one tokenizer on both sides every row is carried over, ends included."""
    path = toys.with_turns(tmp_path / "teacher", special=True)
    teacher = load_teacher(str(path), device="cpu")
    settings = TeacherSettings(mode="score", top_k=5)
    dump(teacher, toys.examples(6), tmp_path / "r", settings)
    write_targets(tmp_path / "r", tmp_path / "t", student=str(path), keep="all")
    for before, after in zip(Store.open(tmp_path / "r"), Store.open(tmp_path / "t"), strict=True):
        assert after.token_id[:-1].tolist() == before.token_id[:-1].tolist()
        assert after.token_id[-1] == teacher.tokenizer.eos
        assert before.token_id[-1] in teacher.tokenizer.ends
        np.testing.assert_array_equal(after.distributions.ids, before.distributions.ids)
        np.testing.assert_allclose(
            np.exp(after.distributions.logprobs), np.exp(before.distributions.logprobs), atol=1e-3
        )


def test_control_tokens_join_the_tail() -> None:
    """All but ends, and what the teacher wrote itself."""
    ends = Ends(EOS, [EOS, TURN], control=CONTROL)
    rows = rows_of({TEXT: 0.6, EXTRA: 0.2}, {EXTRA: 0.7, TEXT: 0.2}, {TURN: 0.6, EXTRA: 0.3})
    merged = ends.merged(ragged([[TEXT, EXTRA, TURN]]), rows)
    assert as_dicts(merged) == [
        pytest.approx(row, abs=1e-6)
        for row in ({TEXT: 0.6}, {EXTRA: 0.7, TEXT: 0.2}, {EOS: 0.6})
    ]  # fmt: skip
    np.testing.assert_allclose(np.exp(merged.tail), [0.4, 0.1, 0.4], atol=1e-6)
    as_they_are = Ends(EOS, [EOS, TURN], adds_up=False, control=CONTROL)
    assert as_they_are.merged(ragged([[TEXT, EXTRA, TURN]]), rows) is rows


def test_ids_that_a_template_names_are_control() -> None:
    vocabulary = build_vocabulary([b"a", b"", b"<think>"], flags={1: SPECIAL})
    assert control_ids(vocabulary, [2, 9]).tolist() == [False, True, True]


@pytest.mark.parametrize("chat", [None, "x", {}, {"control": "x"}, {"control": [3, 4.5, "x"]}])
def test_a_store_may_name_control_tokens(chat: object) -> None:
    settings = {} if chat is None else {"chat": chat}
    about = StoreDescription(kind="responses", teacher="t", tokenizer="t", fingerprint="f",
                             vocabulary_size=5, k=3, settings=settings)  # fmt: skip
    assert named_control(about) == ([3] if chat == {"control": [3, 4.5, "x"]} else [])
