"""Readers: small files in every published layout, and every fault named with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specialize import datasets
from specialize.datasets.records import join_question
from specialize.errors import ConfigurationError, InputError, SpecializeError
from specialize.records import Example

GSM8K = [
    {"question": "How many?", "answer": "48/2 = <<48/2=24>>24 clips.\nSo 72.\n#### 72"},
    {"question": "  How   much? ", "answer": "It is $<<1000*2=2000>>2,000.\n#### 2,000"},
]
SVAMP = [
    {"ID": "chal-1", "Body": "Each costs 76 dollars", "Question": "How much?", "Answer": 51.0},
    {"ID": "chal-2", "Body": "He has 3.", "Question": "How many? ", "Answer": 2.5},
]
MULTIARITH = [
    {"iIndex": 0, "sQuestion": " He had 32. How many left? ", "lSolutions": [39.0]},
]
ASDIV = """<?xml version="1.0" encoding="UTF-8" ?>
<Machine-Reading-Corpus-File><ProblemSet>
<Problem ID="nluds-0001" Grade="1"><Body>Seven &amp; two apples.</Body>
<Question>How many apples? </Question><Answer>9 (apples)</Answer></Problem>
<Problem ID="nluds-0002"><Body>If she adds one,</Body><Question>how many?</Question>
<Answer>14  (seats)</Answer></Problem>
</ProblemSet></Machine-Reading-Corpus-File>
"""
BBH = {
    "canary": "BENCHMARK DATA",
    "examples": [
        {"input": "Which?\nOptions:\n(A) red\n(B) blue, of course", "target": "(B)"},
        {"input": "Sort: b a\nOptions:\n- Yes\n- No", "target": "No"},
    ],
}


def lines(records: list[dict[str, object]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_gsm8k(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", lines(GSM8K))
    first, second = datasets.load("gsm8k", path)
    assert first == Example("gsm8k/train/00000", "How many?", "72", "48/2 = 24 clips.\nSo 72.")
    assert second.rationale == "It is $2,000."
    assert second.answer == "2,000"
    assert second.question == "How   much?"
    write(tmp_path / "test.jsonl", lines(GSM8K[:1]))
    assert [e.id for e in datasets.load("gsm8k", tmp_path, split="test")] == ["gsm8k/test/00000"]
    assert datasets.load("gsm8k", str(path), limit=1) == [first]
    part = write(tmp_path / "first50.jsonl", lines(GSM8K))
    assert datasets.load("gsm8k", part)[1].id == "gsm8k/first50/00001"
    assert datasets.load("gsm8k", part, split="train")[1].id == "gsm8k/train/00001"


def test_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    plain = datasets.load("gsm8k", write(tmp_path / "a" / "train.jsonl", lines(GSM8K)))
    windows = b"\xef\xbb\xbf" + lines(GSM8K).replace("\n", "\r\n").encode() + b"\r\n\r\n"
    assert datasets.load("gsm8k", write(tmp_path / "b" / "train.jsonl", windows)) == plain


def test_svamp(tmp_path: Path) -> None:
    path = write(tmp_path / "SVAMP.json", json.dumps(SVAMP))
    assert datasets.load("svamp", path) == [
        Example("svamp/chal-1", "Each costs 76 dollars. How much?", "51"),
        Example("svamp/chal-2", "He has 3. How many?", "2.5"),
    ]
    assert datasets.load("svamp", tmp_path) == datasets.load("svamp", path)


def test_asdiv(tmp_path: Path) -> None:
    path = write(tmp_path / "ASDiv.xml", ASDIV)
    assert datasets.load("asdiv", path) == [
        Example("asdiv/nluds-0001", "Seven & two apples. How many apples?", "9 (apples)"),
        Example("asdiv/nluds-0002", "If she adds one, how many?", "14 (seats)"),
    ]
    assert datasets.load("asdiv", tmp_path) == datasets.load("asdiv", path)


def test_multiarith(tmp_path: Path) -> None:
    write(tmp_path / "MultiArith.json", json.dumps(MULTIARITH))
    assert datasets.load("multiarith", tmp_path) == [
        Example("multiarith/00000", "He had 32. How many left?", "39")
    ]


def test_bbh(tmp_path: Path) -> None:
    for task in datasets.BBH_TASKS:
        write(tmp_path / "bbh" / f"{task}.json", json.dumps(BBH))
    one = datasets.load("bbh", tmp_path / "bbh" / "snarks.json")
    assert one[0].id == "bbh/snarks/00000"
    assert one[0].task == "snarks"
    assert one[0].choices == ("red", "blue, of course")
    assert one[1].choices == ()
    assert one[1].question == "Sort: b a\nOptions:\n- Yes\n- No"
    everything = datasets.load("bbh", tmp_path)
    assert len(everything) == 54
    assert {example.task for example in everything} == set(datasets.BBH_TASKS)
    assert everything == datasets.load("bbh", tmp_path / "bbh")
    write(tmp_path / "bbh" / "other.json", json.dumps(BBH))
    with pytest.raises(InputError, match="also holds other; expected the 27 files"):
        datasets.load("bbh", tmp_path)
    (tmp_path / "bbh" / "other.json").unlink()
    (tmp_path / "bbh" / "snarks.json").unlink()
    with pytest.raises(InputError, match="lacks snarks; expected the 27 files"):
        datasets.load("bbh", tmp_path)


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
filled = words.filter(lambda text: text.strip())


@settings(max_examples=30)
@given(st.lists(st.tuples(filled, filled, words, st.lists(words, max_size=3), words), max_size=4))
def test_our_own_examples_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[tuple[str, str, str, list[str], str]],
) -> None:
    examples = [
        Example(f"own/{i}", question, answer, rationale, tuple(choices), task)
        for i, (question, answer, rationale, choices, task) in enumerate(parts)
    ]
    path = tmp_path_factory.mktemp("own") / "examples.jsonl"
    datasets.write_jsonl(path, examples)
    if examples:
        assert datasets.load("jsonl", path) == examples
        assert datasets.load("jsonl", path.parent, split="examples") == examples
    else:
        with pytest.raises(InputError, match="is empty"):
            datasets.load("jsonl", path)


@pytest.mark.parametrize(
    ("body", "question", "joined"),
    [
        ("He has 3", "How many?", "He has 3. How many?"),
        ("He has 3.", "How many?", "He has 3. How many?"),
        ("He has 3. ", " How many?", "He has 3. How many?"),
        ("If he adds 3,", "how many?", "If he adds 3, how many?"),
        ('He said "3"', "How many?", 'He said "3" How many?'),
        ("Really!", "How many?", "Really! How many?"),
        ("", "How many?", "How many?"),
    ],
)
def test_body_and_question_are_joined_once(body: str, question: str, joined: str) -> None:
    assert join_question(body, question) == joined


def with_line(place: int, line: str) -> str:
    good = lines(GSM8K).splitlines()
    return "\n".join([*good[:place], line, *good[place:]])


FAULTS = [
    ("gsm8k", "train.jsonl", with_line(1, '{"question": "How'), "line 2, is not JSON .*: '{\"qu"),
    ("gsm8k", "train.jsonl", with_line(2, "[1]"), r"line 3, is not a JSON object: '\[1\]'"),
    ("gsm8k", "train.jsonl", with_line(0, "[" * 100_000), "line 1, is not JSON"),
    ("gsm8k", "train.jsonl", '{"question": "a"}', "line 1: no field 'answer'; .*: question"),
    ("gsm8k", "train.jsonl", '{"question": "a", "answer": 5}', "'answer' must be text, got 5"),
    ("gsm8k", "train.jsonl", '{"question": "a", "answer": "5"}', "no line '#### <answer>'"),
    ("gsm8k", "train.jsonl", '{"question": "a", "answer": "b #### "}', "no line '#### <answer>'"),
    ("gsm8k", "train.jsonl", '{"question": " ", "answer": "#### 5"}', "the question is empty"),
    ("gsm8k", "train.jsonl", '{"question": "\\u0000", "answer": "#### 5"}', "NUL character in"),
    ("gsm8k", "train.jsonl", '{"question": "\\ud800", "answer": "#### 5"}', "lone surrogate"),
    ("gsm8k", "train.jsonl", b'{}\n{"question": "\xff"}', "line 2, is not UTF-8"),
    ("gsm8k", "train.jsonl", "\n \n", "is empty; expected: GSM8K"),
    ("svamp", "SVAMP.json", "{}", "holds no JSON list; expected: SVAMP"),
    ("svamp", "SVAMP.json", "[]", "holds an empty list"),
    ("svamp", "SVAMP.json", "[\n{]", "line 2, is not JSON"),
    ("svamp", "SVAMP.json", "[5]", "record 0, is int, not an object"),
    ("svamp", "SVAMP.json", json.dumps([SVAMP[0] | {"Answer": None}]), "'Answer' must be a number"),
    ("svamp", "SVAMP.json", json.dumps([SVAMP[0] | {"Answer": True}]), "'Answer' must be a number"),
    ("svamp", "SVAMP.json", json.dumps([SVAMP[0] | {"Answer": 1e999}]), "must be a finite number"),
    ("svamp", "SVAMP.json", json.dumps([SVAMP[0], SVAMP[0]]), "two examples share the id 'svamp/c"),
    ("multiarith", "MultiArith.json", json.dumps([{"sQuestion": "a"}]), "'lSolutions' must be a"),
    ("multiarith", "M.json", json.dumps([{"lSolutions": [1, 2]}]), "list of one number, got"),
    ("asdiv", "ASDiv.xml", "<a>", "line 1, is not XML"),
    ("asdiv", "ASDiv.xml", "<a></a>", "has no <Problem>"),
    ("asdiv", "ASDiv.xml", '<a><Problem ID="x"><Body/></Problem></a>', "x: no Question, Answer"),
    ("asdiv", "ASDiv.xml", ASDIV.replace("9 (apples)", " "), "nluds-0001: no answer"),
    ("asdiv", "ASDiv.xml", ASDIV.replace(' ID="nluds-0001"', ""), "problem 0: no ID"),
    ("bbh", "snarks.json", "{}", "has no 'examples'"),
    ("bbh", "snarks.json", json.dumps({"examples": [{"input": "a", "target": ""}]}), "'target' is"),
    ("jsonl", "a.jsonl", '{"id": "a", "question": "b"}', "no 'answer'"),
    ("jsonl", "a.jsonl", '{"id": "a", "question": "b", "answr": "c"}', "unknown field answr"),
    (
        "jsonl",
        "a.jsonl",
        '{"id": "a", "question": "b", "answer": "c", "choices": "d"}',
        "'choices'",
    ),
]


@pytest.mark.parametrize(("name", "file", "content", "message"), FAULTS)
def test_faults_are_named(
    tmp_path: Path, name: str, file: str, content: str | bytes, message: str
) -> None:
    path = write(tmp_path / file, content)
    with pytest.raises(InputError, match=message) as caught:
        datasets.load(name, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_entities_are_refused_before_they_expand(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>'
    outside = '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a></a>'
    for text in (bomb, outside):
        with pytest.raises(InputError, match="declares a document type or an entity"):
            datasets.load("asdiv", write(tmp_path / "ASDiv.xml", text))


WHOLE = {"svamp", "asdiv", "multiarith", "bbh"}  # published without splits


@pytest.mark.parametrize("name", datasets.NAMES)
def test_a_missing_file_says_what_is_expected(tmp_path: Path, name: str) -> None:
    path = tmp_path / "nowhere" / "file.json"
    with pytest.raises(InputError, match=r"no file .*nowhere.*; expected there: ") as caught:
        datasets.load(name, path)
    assert caught.value.exit_code == 3
    folder = tmp_path / "empty"
    folder.mkdir(exist_ok=True)
    with pytest.raises(SpecializeError, match=r"empty"):
        datasets.load(name, folder, split=None if name in WHOLE else "test")


def test_questions_of_usage_are_configuration(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", lines(GSM8K))
    write(tmp_path / "SVAMP.json", json.dumps(SVAMP))
    with pytest.raises(ConfigurationError, match="unknown set 'gsm'; known: gsm8k, svamp"):
        datasets.load("gsm", tmp_path)
    with pytest.raises(ConfigurationError, match="has the splits train, test; name one"):
        datasets.load("gsm8k", tmp_path)
    with pytest.raises(ConfigurationError, match="holds split 'train' of gsm8k, not 'test'"):
        datasets.load("gsm8k", tmp_path / "train.jsonl", split="test")
    with pytest.raises(ConfigurationError, match=r"svamp is read as one set .*; drop split: test"):
        datasets.load("svamp", tmp_path, split="test")
    with pytest.raises(ConfigurationError, match="is a directory; name a file or a split"):
        datasets.load("jsonl", tmp_path)
    with pytest.raises(ConfigurationError, match="limit of set 'svamp' must be at least 1, got 0"):
        datasets.load("svamp", tmp_path, limit=0)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "path", "split", "count", "first", "last"),
    [
        ("gsm8k", "gsm8k", "train", 7473, "gsm8k/train/00000", "gsm8k/train/07472"),
        ("gsm8k", "gsm8k/test.jsonl", None, 1319, "gsm8k/test/00000", "gsm8k/test/01318"),
        ("svamp", "svamp", None, 1000, "svamp/chal-1", "svamp/chal-1000"),
        ("asdiv", "asdiv", None, 2305, "asdiv/nluds-0001", "asdiv/nluds-2305"),
        ("multiarith", "multiarith", None, 600, "multiarith/00000", "multiarith/00599"),
        ("bbh", "bbh", None, 6511, "bbh/boolean_expressions/00000", "bbh/word_sorting/00249"),
    ],
)
def test_published_sets_are_read_whole(
    data_dir: Path, name: str, path: str, split: str | None, count: int, first: str, last: str
) -> None:
    examples = datasets.load(name, data_dir / path, split=split)
    assert (len(examples), examples[0].id, examples[-1].id) == (count, first, last)
    for example in examples:
        assert "<<" not in example.rationale
        assert "####" not in example.rationale
        # the one published body that ends in two periods is left as it is
        assert ".." not in example.question or name != "svamp" or example.id.endswith("chal-410")
        assert example.answer == example.answer.strip() != ""
        assert bool(example.rationale) == (name == "gsm8k")
        assert bool(example.task) == (name == "bbh")
