"""Sets of the hub, read through a local stand-in for the library, with the hub's columns."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from specialize import datasets
from specialize.datasets.sets.asdiv import PROBLEMS
from specialize.errors import ConfigurationError, InputError

Row = dict[str, object]
ROWS: dict[tuple[str, str | None, str], list[Row]] = {
    ("openai/gsm8k", "main", "test"): [{"question": "How many?", "answer": "<<1+1=2>>2.\n#### 2"}],
    ("ChilleD/SVAMP", None, "train"): [
        {"ID": "chal-10", "Body": "He has 3", "Question": "How many?", "Answer": "145.0"},
        {"ID": "chal-2", "Body": "He has 4", "Question": "How many?", "Answer": "4"},
    ],
    ("ChilleD/SVAMP", None, "test"): [
        {"ID": "chal-1", "Body": "He has 5", "Question": "How many?", "Answer": "5.0"}
    ],
    ("EleutherAI/asdiv", None, "validation"): [
        {"body": "Seven.", "question": "How many?", "answer": "9 (apples)"}
    ],
    ("ChilleD/MultiArith", None, "train"): [{"question": "How many?", "final_ans": "39"}],
    ("ChilleD/MultiArith", None, "test"): [{"question": "How much?", "final_ans": "40"}],
} | {
    ("lukaemon/bbh", task, "test"): [{"input": f"Do {task}?", "target": "(A)"}]
    for task in datasets.BBH_TASKS
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | None], None]:
    """Puts a stand-in for the library in place; it serves ``ROWS``, or raises."""

    def install(failure: Exception | None = None) -> None:
        def load_dataset(hub_id: str, config: str | None = None, *, split: str) -> list[Row]:
            if failure is not None:
                raise failure
            return ROWS[hub_id, config, split]

        library = ModuleType("datasets")
        library.load_dataset = load_dataset  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "datasets", library)

    return install


def test_sets_of_the_hub(hub: Callable[..., None]) -> None:
    hub()
    (gsm8k,) = datasets.load("gsm8k", split="test")
    assert (gsm8k.id, gsm8k.rationale, gsm8k.answer) == ("gsm8k/test/00000", "2.", "2")
    svamp = datasets.load("svamp")
    assert [(e.id, e.answer) for e in svamp] == [
        ("svamp/chal-1", "5"),
        ("svamp/chal-2", "4"),
        ("svamp/chal-10", "145"),
    ]
    assert svamp[0].question == "He has 5. How many?"
    assert [e.id for e in datasets.load("svamp", split="test")] == ["svamp/chal-1"]
    multiarith = [(e.id, e.answer) for e in datasets.load("multiarith")]
    assert multiarith == [("multiarith/train/00000", "39"), ("multiarith/test/00000", "40")]
    bbh = datasets.load("bbh")
    assert [e.task for e in bbh] == list(datasets.BBH_TASKS)
    assert bbh[0].id == "bbh/boolean_expressions/00000"


def test_ids_of_asdiv_need_the_whole_set(
    hub: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub()
    assert datasets.load("asdiv")[0].id == "asdiv/validation/00000"
    key = ("EleutherAI/asdiv", None, "validation")
    monkeypatch.setitem(ROWS, key, ROWS[key] * PROBLEMS)
    whole = datasets.load("asdiv")
    assert (whole[0].id, whole[-1].id) == ("asdiv/nluds-0001", "asdiv/nluds-2305")


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionError("no route"),
        FileNotFoundError("none"),
        ValueError("bad config"),
        RuntimeError("scripts\nmore"),
    ],
)
def test_an_unreachable_hub_is_one_line(hub: Callable[..., None], failure: Exception) -> None:
    hub(failure)
    message = "ChilleD/SVAMP cannot be read from the hub .*; give the published file as path"
    with pytest.raises(InputError, match=message) as caught:
        datasets.load("svamp")
    assert "\n" not in str(caught.value)


def test_splits_of_the_hub_are_checked(hub: Callable[..., None]) -> None:
    hub()
    with pytest.raises(ConfigurationError, match="openai/gsm8k has the splits train, test; name"):
        datasets.load("gsm8k")
    with pytest.raises(ConfigurationError, match="EleutherAI/asdiv has no split 'test'; its split"):
        datasets.load("asdiv", split="test")
    with pytest.raises(
        ConfigurationError, match="'jsonl' is not on the hub; give its file as path"
    ):
        datasets.load("jsonl")


def test_rows_of_the_hub_are_checked(
    hub: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub()
    monkeypatch.setitem(ROWS, ("openai/gsm8k", "main", "test"), [{"question": "a"}])
    with pytest.raises(InputError, match="openai/gsm8k/main, split test, row 0: no field 'answer'"):
        datasets.load("gsm8k", split="test")
    monkeypatch.setitem(ROWS, ("ChilleD/SVAMP", None, "train"), [{"ID": "x"}])
    with pytest.raises(InputError, match="ID 'x' is not of the form chal-1"):
        datasets.load("svamp")
