"""Rows that are not those of their tokens are refused with the shift that fits; others are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from specialize.errors import InputError, NothingPassedError
from specialize.imports.distillkit import import_distillkit
from specialize.imports.placement import UNRELATED, Placement, fault_of, weigh
from specialize.imports.vllm_json import import_json
from specialize.quickstart.run import MODELS
from specialize.store import Store
from specialize.teacher.protocol import ScoredText
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support.drawn_rows import cut_rows, drawn, misplaced
from tests.support.import_forms import (
    JSON_FORMS,
    JsonForm,
    axolotl,
    axolotl_two,
    chat_batch,
    completion,
    distillkit_folder,
    write_lines,
)
from tests.support.store_samples import topk_id, topk_logprob

TEACHER = str(MODELS / "teacher")
HONEST_RECORDS = 200
REFUSALS = (InputError, NothingPassedError)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(TEACHER)


def fault(text: ScoredText, *, hot: bool = False) -> str | None:
    rows = (text.token_id, topk_id(text), topk_logprob(text))
    return fault_of(weigh(*rows, hot=hot), *rows)


# sharpness of the rows, temperature of the draws, sentences
HONEST = [
    (3.0, 1.0, 1), (3.0, 1.0, 6), (1.0, 1.0, 1), (1.0, 1.0, 6), (8.0, 1.0, 2), (3.0, 0.0, 1),
    (1.0, 0.0, 3), (3.0, 0.5, 1), (3.0, 1.3, 3), (3.0, 2.0, 6), (1.0, 3.0, 6),
]  # fmt: skip


@pytest.mark.parametrize(("sharpness", "temperature", "count"), HONEST)
def test_rows_of_their_tokens_are_kept(
    tokenizer: Tokenizer, sharpness: float, temperature: float, count: int
) -> None:
    rng = np.random.default_rng(int(10 * sharpness + 100 * temperature + count))
    placement = Placement()
    for number in range(100):
        text = drawn(
            rng, tokenizer, k=(3, 5, 20)[number % 3], sharpness=sharpness,
            temperature=temperature, count=count,
        )  # fmt: skip
        assert fault(text) is None
        placement.add(weigh(text.token_id, topk_id(text), topk_logprob(text)))
        assert placement.fault is None


def test_short_records_are_kept(tokenizer: Tokenizer) -> None:
    rng = np.random.default_rng(7)
    for number in range(300):
        whole = drawn(rng, tokenizer, sharpness=(1.0, 3.0)[number % 2])
        assert fault(cut_rows(whole, len(whole) - 1 - number % 6)) is None


@pytest.mark.parametrize("k", [3, 5, 20])
def test_misplaced_rows_are_refused(tokenizer: Tokenizer, k: int) -> None:
    rng = np.random.default_rng(k)
    for _ in range(70):
        for _, text in misplaced(drawn(rng, tokenizer, k=k, count=2), rng):
            assert fault(text) is not None


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        (1, r"one place too late: shift them by -1"),
        (-1, r"one place too early: shift them by \+1"),
        (3, r"3 places too late: shift them by -3"),
        (-20, r"20 places too early: shift them by \+20"),
    ],
)
def test_the_shift_that_fits_is_named(
    tokenizer: Tokenizer, tmp_path: Path, shift: int, message: str
) -> None:
    text = drawn(np.random.default_rng(1), tokenizer, count=3)
    rows = [axolotl_two(text)["target_token_ids"], axolotl_two(text)["logprobs"]]
    ids, logprobs = (np.roll(np.array(part), shift, axis=0).tolist() for part in rows)
    record = axolotl_two(text) | {"target_token_ids": ids, "logprobs": logprobs}
    source = write_lines(tmp_path / "rows.jsonl", [record])
    with pytest.raises(InputError, match=message):
        import_json(source, tmp_path / "s", tokenizer=TEACHER, teacher="big")


def test_a_file_is_refused_where_no_record_says_enough() -> None:
    """Three tokens that their rows miss prove nothing, but a file of them does."""
    tokens, ids = np.arange(3), np.arange(10, 19).reshape(3, 3)
    evidence = weigh(tokens, ids, np.log(np.full((3, 3), 0.25)))
    assert not evidence.misplaced
    placement = Placement()
    placement.add(evidence)
    assert placement.fault is None
    placement.add(evidence)
    assert placement.fault == UNRELATED


def test_texts_said_to_be_hot_need_only_be_related(tokenizer: Tokenizer) -> None:
    rng = np.random.default_rng(4)
    for _ in range(40):
        assert fault(drawn(rng, tokenizer, temperature=5.0, count=4), hot=True) is None
        _, shuffled = next(misplaced(drawn(rng, tokenizer, count=4), rng))
        assert fault(shuffled, hot=True) is not None


def test_repeated_tokens_have_no_place(tokenizer: Tokenizer) -> None:
    tokens = np.full(20, 9, np.int32)
    ids = np.tile(np.array([[9, 3]], np.int32), (20, 1))
    assert fault_of(weigh(tokens, ids, np.log(np.full((20, 2), 0.5))), tokens, ids, ids) is None


def cut_axolotl(text: ScoredText, cut: int) -> dict[str, object]:
    record = axolotl(text)
    rows = record["logprobs"]
    assert isinstance(rows, list)
    return record | {"logprobs": rows[:-cut]}


def cut_axolotl_two(text: ScoredText, cut: int) -> dict[str, object]:
    record = axolotl_two(text)
    parts = {name: record[name] for name in ("target_token_ids", "logprobs")}
    return record | {name: part[:-cut] for name, part in parts.items() if isinstance(part, list)}


CUT: list[Callable[[ScoredText, int], dict[str, object]]] = [
    lambda text, cut: completion(cut_rows(text, cut)),
    lambda text, cut: chat_batch(cut_rows(text, cut)),
    cut_axolotl,
    cut_axolotl_two,
]


FORMS = list(zip(JSON_FORMS, CUT, strict=True))
Cut = Callable[[ScoredText, int], dict[str, object]]


@pytest.mark.parametrize(("form", "cut"), FORMS)
def test_a_broken_import_is_refused(
    form: JsonForm, cut: Cut, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    rng = np.random.default_rng(11)
    for number in range(12):
        text = drawn(rng, tokenizer, count=2, k=4)
        broken = [*(form(made) for _, made in misplaced(text, rng)), cut(text, 1 + number % 5)]
        source = write_lines(tmp_path / "rows.jsonl", [broken[number % 4]])
        with pytest.raises(REFUSALS):
            import_json(source, tmp_path / f"{number}", tokenizer=TEACHER, teacher="b", top_k=4)


@pytest.mark.parametrize(
    ("form", "cut"),
    [FORMS[0], *(pytest.param(*each, marks=pytest.mark.slow) for each in FORMS[1:])],
)
def test_two_hundred_broken_records_among_honest_ones(
    form: JsonForm, cut: Cut, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    rng = np.random.default_rng(12)
    texts = [drawn(rng, tokenizer, count=1 + n % 3, k=4) for n in range(HONEST_RECORDS)]
    broken = []
    for number in range(50):
        text = drawn(rng, tokenizer, count=2, k=4)
        broken += [*(form(made) for _, made in misplaced(text, rng)), cut(text, 1 + number % 5)]
    source = write_lines(tmp_path / "rows.jsonl", [*(form(text) for text in texts), *broken])
    told = import_json(source, tmp_path / "s", tokenizer=TEACHER, teacher="b", top_k=4)
    assert (told["records"], told["samples"]) == (len(texts) + 200, len(texts))
    kept = [sample.response.text for sample in Store.open(tmp_path / "s")]
    assert kept == [text.text for text in texts]


@pytest.mark.parametrize("each", [17, pytest.param(67, marks=pytest.mark.slow)])
def test_distillkit_rows_that_are_misplaced(
    each: int, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """``each`` of three kinds."""
    rng = np.random.default_rng(13)
    texts = [drawn(rng, tokenizer, count=2, k=4) for _ in range(HONEST_RECORDS)]
    told = import_distillkit(
        distillkit_folder(tmp_path / "good", texts), tmp_path / "s", tokenizer=TEACHER,
        teacher="b", top_k=4,
    )  # fmt: skip
    assert told["samples"] == HONEST_RECORDS
    for number in range(each):
        for name, text in misplaced(texts[number], rng):
            folder = tmp_path / f"{number} {name}"
            with pytest.raises(REFUSALS):
                import_distillkit(
                    distillkit_folder(folder, [text]), tmp_path / f"{number}{name}-out",
                    tokenizer=TEACHER, teacher="b", top_k=4,
                )  # fmt: skip
