"""Plain texts become a store of their teacher: named, graded and cut as their records say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from specialize.cli.stages import cli
from specialize.errors import InputError, NothingPassedError
from specialize.imports.texts import import_texts
from specialize.records import Example
from specialize.store import Store, verify
from tests.specialize.imports.test_import_texts import PALM, batches
from tests.support.import_forms import write_lines

EXAMPLES = [Example("toy/0", "Ann has 3?", "7"), Example("toy/1", "Ben has 5?", "13")]
RIGHT, WRONG = "She has 3 + 4 = 7.\nThe answer is 7", "The answer is 8"


def test_texts_are_graded_by_their_examples(tmp_path: Path) -> None:
    records = [
        {"id": "toy/0", "text": RIGHT, "teacher": "gpt-4"},
        {"prompt": "Q: Ben has 5?\nA:", "text": WRONG, "teacher": "gpt-4", "finish_reason": "stop"},
        {"id": "toy/0", "text": RIGHT, "teacher": "gpt-4", "finish_reason": "MAX_TOKENS"},
        {"prompt": "Who?", "text": RIGHT, "teacher": "gpt-4"},
        {"id": "toy/1", "text": " \n", "teacher": "gpt-4"},
        {"id": "toy/1", "text": RIGHT, "teacher": "gpt-4", "finish_reason": "perhaps"},
    ]
    source = write_lines(tmp_path / "t.jsonl", records)
    told = import_texts(source, tmp_path / "s", examples=EXAMPLES)
    assert told == {
        "records": 6, "samples": 3, "correct": 1, "cut_by_length": 1,
        "dropped": {
            "empty": 1, "ended for an unknown reason": 1, "no example has this id or question": 1,
        },
    }  # fmt: skip
    store = Store.open(tmp_path / "s")
    assert store.description.teacher == "gpt-4"
    assert verify(tmp_path / "s").ok
    found = [(s.response.key, s.response.correct, s.response.finished) for s in store]
    assert found == [
        (("toy/0", 0), True, True), (("toy/1", 0), False, True), (("toy/0", 1), False, False)
    ]  # fmt: skip


def test_texts_without_examples(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "t.jsonl", [{"prompt": "Why?", "text": "Because."}] * 2)
    told = import_texts(source, tmp_path / "s", teacher="me")
    assert (told["samples"], told["correct"]) == (2, 0)
    first, second = [sample.response for sample in Store.open(tmp_path / "s")]
    assert (first.key, second.key) == (("t/000000", 0), ("t/000001", 0))
    assert (first.prompt, first.text, first.correct) == ("Why?", "Because.", None)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"id": "a", "text": "x"}], "line 1: no field 'teacher', and none is named"),
        ([{"id": "a", "text": "x", "teacher": "one"}, {"id": "b", "text": "x", "teacher": "two"}],
         "line 2: the text is of 'two', but the store is of 'one'"),
        ([{"text": "x", "teacher": "one"}], "neither 'prompt' nor 'id' says"),
        ([{"id": "a", "teacher": "one"}], "no field 'text'"),
        ([{"id": "a", "text": ["x"], "teacher": "one"}], "'text' must be text"),
    ],
)  # fmt: skip
def test_records_that_are_refused(
    tmp_path: Path, records: list[dict[str, object]], message: str
) -> None:
    source = write_lines(tmp_path / "t.jsonl", records)
    with pytest.raises(InputError, match=message):
        import_texts(source, tmp_path / "s")


def test_nothing_left(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "t.jsonl", [{"id": "x", "text": "a", "teacher": "one"}])
    with pytest.raises(NothingPassedError, match="no example has this id or question"):
        import_texts(source, tmp_path / "s", examples=EXAMPLES)


def test_the_command_and_the_name_of_a_teacher(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "t.jsonl", [{"prompt": "Why?", "text": "Because."}])
    command = ["import", "texts", str(source), str(tmp_path / "s"), "--teacher", "me", "--json"]
    done = CliRunner().invoke(cli, command)
    assert (done.exit_code, json.loads(done.stdout)["samples"]) == (0, 1)
    records = [
        {"question": f"Fog {i}?", "choices": ["a marsh", "a tundra"], "answer": "a marsh"}
        for i in range(4)
    ]
    path = tmp_path / "obqa_train.json"
    path.write_text(json.dumps(records))
    folder = batches(tmp_path / "llm", PALM)
    for teacher in (None, "gemini-pro"):
        out = tmp_path / str(teacher)
        command = ["import", "palm", str(folder), str(out), "--data", "obqa", "--path", str(path)]
        done = CliRunner().invoke(cli, command + (["--teacher", teacher] if teacher else []))
        assert done.exit_code == 0, done.output
        assert Store.open(out).description.teacher == (teacher or "palm-540b")
