"""Dumps of other programs become stores of the same rows; what cannot be used has its reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import yaml

from specialize.errors import ConfigurationError, InputError, NothingPassedError
from specialize.imports.distillkit import import_distillkit
from specialize.imports.distillkit_codec import CONFIG, read_codec
from specialize.imports.vllm_json import import_json
from specialize.quickstart.run import MODELS
from specialize.records import Example
from specialize.store import Sample, Store, verify
from specialize.store.export import export_store
from specialize.teacher.protocol import ScoredText
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support.import_forms import (
    JSON_FORMS,
    JsonForm,
    axolotl,
    chat_batch,
    completion,
    distillkit_folder,
    named,
    write_lines,
)
from tests.support.scripted_teacher import ScriptedTeacher
from tests.support.store_samples import topk_id, topk_logprob

TEACHER = str(MODELS / "teacher")
TEXTS = ["She has 3 + 4 = 7.\nThe answer is 7", "It is 12.\nThe answer is 12", "No idea, é 你好"]
EXAMPLES = [Example("toy/0", "Ann has 3?", "7"), Example("toy/1", "Ben has 5?", "13")]
K = 4


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(TEACHER)


@pytest.fixture(scope="module")
def scored(tokenizer: Tokenizer) -> list[ScoredText]:
    teacher = ScriptedTeacher(tokenizer, lambda prompt, turn: ("", "eos"))
    return [teacher.scored(text, "given", K, seed) for seed, text in enumerate(TEXTS)]


def same_rows(sample: Sample, text: ScoredText, *, atol: float = 2e-3) -> None:
    assert sample.response.text == text.text
    assert sample.token_id.tolist() == text.token_id.tolist()
    assert topk_id(sample).tolist() == topk_id(text).tolist()
    np.testing.assert_allclose(topk_logprob(sample), topk_logprob(text), rtol=atol, atol=atol)
    np.testing.assert_allclose(sample.token_logprob, text.token_logprob, rtol=atol, atol=atol)
    rest = 1 - np.exp(topk_logprob(text).astype(np.float64)).sum(axis=1)
    stored = np.exp(sample.distributions.tail.astype(np.float64))
    np.testing.assert_allclose(stored, rest, atol=max(5e-3, atol))


# ---- JSON --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", JSON_FORMS)
def test_json_rows_come_back(form: JsonForm, scored: list[ScoredText], tmp_path: Path) -> None:
    source = write_lines(tmp_path / "rows.jsonl", [form(text) for text in scored])
    told = import_json(source, tmp_path / "s", tokenizer=TEACHER, teacher="big", top_k=K)
    assert (told["records"], told["samples"], told["dropped"]) == (3, 3, {})
    assert verify(tmp_path / "s").problems == ()
    store = Store.open(tmp_path / "s")
    assert store.description.tail_is_complement
    for number, text in enumerate(scored):
        same_rows(store[f"rows/{number:06d}", 0], text)
    again = import_json(source, tmp_path / "s", tokenizer=TEACHER, teacher="big", top_k=K)
    assert again == told
    with pytest.raises(ConfigurationError, match="k: 4 in the store, 3 now"):
        import_json(source, tmp_path / "s", tokenizer=TEACHER, teacher="big", top_k=3)


def test_examples_judge(scored: list[ScoredText], tmp_path: Path) -> None:
    records = [
        {"id": "toy/0", **completion(scored[0])},
        {"prompt": "Q: Ben has 5?\nLet's think", **completion(scored[1])},
        {"custom_id": "toy/0", **chat_batch(scored[1])},
        {"prompt": "Q: Who?", **completion(scored[2])},
    ]
    source = write_lines(tmp_path / "rows.jsonl", records)
    told = import_json(
        source, tmp_path / "s", tokenizer=TEACHER, teacher="big", top_k=K, examples=EXAMPLES
    )
    assert told["dropped"] == {"no example has this id or question": 1}
    store = Store.open(tmp_path / "s")
    verdicts = {sample.response.key: sample.response.correct for sample in store}
    assert verdicts == {("toy/0", 0): True, ("toy/1", 0): False, ("toy/0", 1): False}
    assert store.counts == {"no example has this id or question": 1, "records": 4, "correct": 1}


def broken(text: ScoredText, name: str) -> dict[str, object]:
    record = completion(text)
    told = record["choices"][0]["logprobs"]
    first = told["top_logprobs"][0]
    if name == "by text":
        told["tokens"][0] = " She"
    elif name == "null":
        record["choices"][0]["logprobs"] = None
    elif name == "short row":
        first.popitem()
    elif name == "fewer rows":
        told["top_logprobs"].pop()
    elif name == "mass":
        told["top_logprobs"][0] = {named(i): -0.1 for i in range(K)}
    elif name == "beyond":
        told["tokens"][0] = named(70_000)
    elif name == "positive":
        told["token_logprobs"][0] = 0.5
    elif name == "shifted":
        told["top_logprobs"] = told["top_logprobs"][1:] + told["top_logprobs"][:1]
    elif name == "no form":
        record = {"question": "?"}
    elif name == "more rows":
        record = {"text": "a", "logprobs": axolotl(text)["logprobs"]}
    return record


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("by text", "tokens are named by their text, not by their id"),
        ("null", "no log-probabilities"),
        ("short row", "fewer entries than asked for"),
        ("fewer rows", "entries are not those of the tokens"),
        ("mass", "a mass above 1"),
        ("beyond", "an id outside the vocabulary"),
        ("positive", "a log-probability above 0"),
        ("shifted", "a token"),
        ("no form", "not of a known form"),
        ("more rows", "more rows than tokens"),
    ],
)
def test_every_drop_has_its_reason(
    name: str, reason: str, scored: list[ScoredText], tmp_path: Path
) -> None:
    source = write_lines(tmp_path / "r.jsonl", [broken(scored[0], name), completion(scored[1])])
    told = import_json(source, tmp_path / "s", tokenizer=TEACHER, teacher="big", top_k=K)
    assert (told["records"], told["samples"]) == (2, 1)
    (found,) = told["dropped"]
    assert found.startswith(reason)
    write_lines(source, [broken(scored[0], name)])
    with pytest.raises(NothingPassedError, match=f"can be used: 1 {reason}"):
        import_json(source, tmp_path / "t", tokenizer=TEACHER, teacher="big", top_k=K)


def test_a_line_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"choices": []}\n{"cho')
    with pytest.raises(InputError, match="line 2, is not JSON"):
        import_json(tmp_path / "r.jsonl", tmp_path / "s", tokenizer=TEACHER, teacher="b")


# ---- DistillKit --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "delta"), [("float32", False), ("bfloat16", False), ("float32", True)]
)
def test_distillkit_rows_come_back(
    dtype: str, delta: bool, scored: list[ScoredText], tmp_path: Path
) -> None:
    source = distillkit_folder(tmp_path / "dk", scored, dtype=dtype, delta=delta)
    told = import_distillkit(source, tmp_path / "s", tokenizer=TEACHER, teacher="big", top_k=K)
    assert (told["records"], told["samples"], told["dropped"]) == (3, 3, {})
    store = Store.open(tmp_path / "s")
    for number, text in enumerate(scored):
        atol = 2e-3 if dtype == "float32" else 2e-2
        same_rows(store[f"data_0/{number:06d}", 0], text, atol=atol)
    assert verify(tmp_path / "s").ok


def test_the_rest_of_the_codec(tmp_path: Path) -> None:
    """One row by hand: 1 exact value, a line through 3 points, and residuals of 4 bits."""
    config = {
        "d": 600, "k": 4, "exact_k": 1, "exact_dtype": "float16", "term_dtype": "float32",
        "polynomial_terms": [0, 1, "sqrt"], "delta_encoding": False,
        "residual_bins": [{"scale_dtype": "float16", "element_bits": 4, "num_elements": 2}],
    }  # fmt: skip
    (tmp_path / CONFIG).write_text(yaml.safe_dump({"logprob_compressor": config}))
    codec = read_codec(tmp_path / CONFIG)
    content = [
        *np.array([-0.5], "<f2").tobytes(), *np.array([-2, -1, 0.5], "<f4").tobytes(),
        *np.array([0.25], "<f2").tobytes(), 0x79,
    ]  # fmt: skip
    found = codec.logprobs(np.array([content], np.uint8))
    line = -2 - np.arange(3) + 0.5 * np.sqrt(np.arange(3))
    residuals = np.array([7 - 8, 9 - 8, 0]) * 0.25
    np.testing.assert_allclose(found[0], [-0.5, *(line + residuals)], atol=1e-6)
    with pytest.raises(ValueError, match="fewer bytes than the configuration says"):
        codec.logprobs(np.array([content[:-1]], np.uint8))


def test_distillkit_after_a_marker(scored: list[ScoredText], tmp_path: Path) -> None:
    source = distillkit_folder(tmp_path / "dk", scored)
    told = import_distillkit(
        source, tmp_path / "s", tokenizer=TEACHER, teacher="big", top_k=K, after=".\n",
    )  # fmt: skip
    assert told["samples"] == 2
    assert told["dropped"] == {"the marker is not in the text": 1}
    response = Store.open(tmp_path / "s")["data_0/000000", 0].response
    assert response.text == "The answer is 7"
    assert response.prompt.endswith("She has 3 + 4 = 7.\n")


def test_distillkit_refuses(scored: list[ScoredText], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no .*compression_config.yaml; DistillKit writes it"):
        import_distillkit(tmp_path, tmp_path / "s", tokenizer=TEACHER, teacher="b")
    source = distillkit_folder(tmp_path / "dk", scored)
    wrong = yaml.safe_load((source / CONFIG).read_text()) | {"exact_dtype": "float8"}
    (source / CONFIG).write_text(yaml.safe_dump(wrong))
    with pytest.raises(InputError, match="an unknown type of numbers"):
        import_distillkit(source, tmp_path / "s", tokenizer=TEACHER, teacher="b")
    (source / CONFIG).write_text(yaml.safe_dump(wrong | {"exact_dtype": "float32", "k": 5}))
    with pytest.raises(NothingPassedError, match="3 not as many bytes as the configuration says"):
        import_distillkit(source, tmp_path / "s", tokenizer=TEACHER, teacher="b")
    legacy = pa.table({"input_ids": [[1]], "packed_indices": [[[1]]]})
    parquet.write_table(legacy, source / "data_0.parquet")
    with pytest.raises(InputError, match=r"no column 'compressed_logprobs'.* not its legacy one"):
        import_distillkit(source, tmp_path / "t", tokenizer=TEACHER, teacher="b")


# ---- exports -----------------------------------------------------------------------------------


def test_exports_hold_the_store(scored: list[ScoredText], tmp_path: Path) -> None:
    source = write_lines(tmp_path / "rows.jsonl", [completion(text) for text in scored])
    import_json(source, tmp_path / "s", tokenizer=TEACHER, teacher="big", top_k=K)
    store = Store.open(tmp_path / "s")
    told = export_store(tmp_path / "s", tmp_path / "out" / "a.parquet", "parquet")
    assert (told["samples"], told["positions"]) == (3, store.positions)
    export_store(tmp_path / "s", tmp_path / "out" / "a.jsonl", "jsonl")
    from_parquet = parquet.read_table(tmp_path / "out" / "a.parquet").to_pylist()
    lines = (tmp_path / "out" / "a.jsonl").read_text(encoding="utf-8").splitlines()
    from_json = [json.loads(line) for line in lines]
    for rows in (from_parquet, from_json):
        for row, sample in zip(rows, store, strict=True):
            response = sample.response
            assert (row["example_id"], row["sample"]) == response.key
            assert (row["text"], row["answer"], row["correct"]) == (
                response.text, response.answer, response.correct
            )  # fmt: skip
            assert row["token_id"] == sample.token_id.tolist()
            assert row["topk_id"] == topk_id(sample).tolist()
            assert row["topk_logprob"] == topk_logprob(sample).astype(np.float32).tolist()
            tails = [-np.inf if v is None else v for v in row["tail_logprob"]]
            assert tails == sample.distributions.tail.astype(np.float32).tolist()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.jsonl", "a.parquet"]
    with pytest.raises(ConfigurationError, match="is there already"):
        export_store(tmp_path / "s", tmp_path / "out" / "a.jsonl", "jsonl")
