"""Public sets of log-probabilities, written as their tools write them, become stores."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import yaml
from click.testing import CliRunner

from align.sparse import from_padded
from specialize.cli.stages import cli
from specialize.errors import ConfigurationError, InputError, NothingPassedError
from specialize.imports.columns import import_columns
from specialize.imports.distillkit import import_distillkit
from specialize.imports.distillkit_codec import id_bits
from specialize.imports.layouts import PRESETS, Layout, named_layout
from specialize.imports.placed_rows import Beside, Run, runs
from specialize.quickstart.run import MODELS
from specialize.store import Store, verify
from specialize.targets.stage import write_targets
from specialize.teacher.protocol import ScoredText
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support.drawn_rows import drawn
from tests.support.import_forms import exact, packed, write_lines
from tests.support.store_samples import topk_id, topk_logprob

TEACHER = str(MODELS / "teacher")
K, FRONT = 4, 7
YAML = "{d: 600, k: 4, exact_k: 4, exact_dtype: float32, delta_encoding: false}"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(TEACHER)


@pytest.fixture(scope="module")
def texts(tokenizer: Tokenizer) -> list[ScoredText]:
    rng = np.random.default_rng(0)
    return [drawn(rng, tokenizer, k=K, count=1 + n % 3) for n in range(6)]


def same(path: Path, names: Sequence[str], texts: Sequence[ScoredText], atol: float) -> None:
    """The store holds these texts with these rows, and is whole."""
    store = Store.open(path)
    assert [sample.response.key for sample in store] == [(name, 0) for name in names]
    for sample, text in zip(store, texts, strict=True):
        assert sample.response.text == text.text
        assert sample.token_id.tolist() == text.token_id.tolist()
        assert topk_id(sample).tolist() == topk_id(text).tolist()
        np.testing.assert_allclose(
            np.exp(topk_logprob(sample)), np.exp(topk_logprob(text)), atol=atol
        )
    assert verify(path).ok


def cut_last(text: ScoredText, tokenizer: Tokenizer) -> ScoredText:
    return text.first(len(text) - 1, tokenizer.decode(text.token_id[:-1].tolist()))


# ---- DistillKit --------------------------------------------------------------------------------


def pack(texts: Sequence[ScoredText], *, padding: int = 0) -> dict[str, object]:
    """One row as ``pack_logits`` writes it: T tokens beside T rows, texts numbered from 1."""
    tokens: list[int] = []
    segments: list[int] = []
    rows: list[list[int]] = []
    values: list[list[int]] = []
    for number, text in enumerate(texts, start=1):
        tokens += [FRONT, *text.token_id.tolist()][: len(text)]  # cut to the number of rows
        segments += [number] * len(text)
        rows += packed(topk_id(text))
        values += exact(topk_logprob(text), "float32").tolist()
    blank = [0] * len(rows[0]), [0] * len(values[0])
    return {
        "input_ids": tokens + [0] * padding,
        "attention_mask": segments + [0] * padding,
        "bytepacked_indices": rows + [blank[0]] * padding,
        "compressed_logprobs": values + [blank[1]] * padding,
    }


def write_parquet(path: Path, rows: Sequence[dict[str, object]], **how: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(list(rows)), path, **how)
    return path


def test_a_packed_set(tokenizer: Tokenizer, texts: list[ScoredText], tmp_path: Path) -> None:
    """Every text of a row is a response; the last row of each is of a token that was cut off."""
    rows = [pack(texts[:3], padding=2), pack(texts[3:4]), pack(texts[4:])]
    source = write_parquet(tmp_path / "set" / "train-00000-of-00001.parquet", rows)
    told = import_distillkit(
        source.parent, tmp_path / "s", tokenizer=TEACHER, teacher="big", top_k=K, config=YAML
    )
    assert (told["samples"], told["dropped"]) == (6, {})
    stem = source.stem
    names = [
        *(f"{stem}/000000/{n:04d}" for n in range(3)), f"{stem}/000001",
        *(f"{stem}/000002/{n:04d}" for n in range(2)),
    ]  # fmt: skip
    same(tmp_path / "s", names, [cut_last(text, tokenizer) for text in texts], 2e-3)
    summary = write_targets(
        tmp_path / "s", tmp_path / "t", student=str(MODELS / "student"), keep="all"
    )
    assert summary["samples"] == 6


def test_where_the_configuration_is(texts: list[ScoredText], tmp_path: Path) -> None:
    source = write_parquet(tmp_path / "set" / "a.parquet", [pack(texts)])
    with pytest.raises(InputError, match="sets on the hub have it in their description"):
        import_distillkit(source, tmp_path / "s", tokenizer=TEACHER, teacher="b", top_k=K)
    (tmp_path / "c.yaml").write_text(YAML)
    command = ["import", "distillkit", str(source), str(tmp_path / "s"), "--teacher", "b"]
    command += ["--tokenizer", TEACHER, "--top-k", "4", "--json", "--config"]
    for out, config in (("s", str(tmp_path / "c.yaml")), ("t", YAML)):
        command[3] = str(tmp_path / out)
        done = CliRunner().invoke(cli, [*command, config])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["samples"] == 6
    with pytest.raises(InputError, match="no compression configuration of DistillKit"):
        import_distillkit(
            source, tmp_path / "u", tokenizer=TEACHER, teacher="b", config="{k: many}"
        )


@pytest.mark.parametrize("damage", ["tokens", "rows", "segments"])
def test_a_packed_row_that_lost_something(
    texts: list[ScoredText], tmp_path: Path, damage: str
) -> None:
    row = pack(texts)
    column = {
        "tokens": "input_ids", "rows": "bytepacked_indices", "segments": "attention_mask"
    }[damage]  # fmt: skip
    kept = row[column]
    assert isinstance(kept, list)
    source = write_parquet(tmp_path / "a.parquet", [row | {column: kept[:-3]}])
    with pytest.raises(NothingPassedError, match="are not those of the tokens"):
        import_distillkit(source, tmp_path / "s", tokenizer=TEACHER, teacher="b", config=YAML)


def test_a_packed_set_that_is_shifted(texts: list[ScoredText], tmp_path: Path) -> None:
    row = pack(texts)
    for column in ("bytepacked_indices", "compressed_logprobs"):
        kept = row[column]
        assert isinstance(kept, list)
        row[column] = kept[1:] + kept[:1]
    source = write_parquet(tmp_path / "a.parquet", [row])
    with pytest.raises(InputError, match=r"one place too early: shift them by \+1"):
        import_distillkit(
            source, tmp_path / "s", tokenizer=TEACHER, teacher="b", top_k=K, config=YAML
        )


def legacy_words(ids: np.ndarray, bits: int) -> list[list[int]]:
    """Ids in 64-bit words, as many as fit, the least significant first (``pack_tensor``)."""
    inside = 64 // bits
    words = []
    for row in ids.tolist():
        row += [0] * (-len(row) % inside)
        packed_row = [
            sum(token << bits * i for i, token in enumerate(row[at : at + inside]))
            for at in range(0, len(row), inside)
        ]
        words.append([word - (1 << 64) if word >> 63 else word for word in packed_row])
    return words


@pytest.mark.parametrize(("size", "inverted"), [(600, True), (70_000, False)])
def test_the_legacy_form(
    tokenizer: Tokenizer, texts: list[ScoredText], tmp_path: Path, size: int, inverted: bool
) -> None:
    """Centred logits: exact ones, then a fitted polynomial; their softmax leaves no tail.

    Without a word of it the polynomial is of 1 / i, as in DistillKit's own configuration.
    """
    config = {
        "vocab_size": size, "k": K, "exact_k": 2, "polynomial_degree": 1, "with_sqrt_term": True,
        "term_dtype": "float32", **({} if inverted else {"invert_polynomial": False}),
    }  # fmt: skip
    (tmp_path / "compression_config.yaml").write_text(yaml.safe_dump(config))
    points = np.arange(1, 3, dtype=float)
    terms = np.stack([points**0, points ** (-1 if inverted else 1), np.sqrt(points)], axis=1)
    rows, expected = [], []
    for text in texts:
        whole = topk_logprob(text).astype(np.float64)
        logits = whole + 11.5  # centred on the mean of a vocabulary that is not stored
        rows.append(
            {
                "input_ids": [FRONT, *text.token_id.tolist()],
                "packed_indices": legacy_words(topk_id(text), id_bits(size)),
                "exact_values": logits[:, :2].astype(np.float16).tolist(),
                "coeffs": (logits[:, 2:] @ np.linalg.pinv(terms).T).tolist(),
            }
        )
        log_of_sum = np.logaddexp.reduce(whole, axis=1, keepdims=True)
        rows_of = from_padded(
            topk_id(text), (whole - log_of_sum).astype(np.float32), np.full(len(text), -np.inf)
        )
        scored = replace(text, distributions=rows_of)
        expected.append(scored)
    write_parquet(tmp_path / "data_0.parquet", rows)
    told = import_distillkit(tmp_path, tmp_path / "s", tokenizer=TEACHER, teacher="b", top_k=K)
    assert (told["samples"], told["dropped"]) == (6, {})
    same(tmp_path / "s", [f"data_0/{n:06d}" for n in range(6)], expected, 1e-2)


# ---- columns -----------------------------------------------------------------------------------


def front(text: ScoredText) -> list[int]:
    return [FRONT, *text.token_id.tolist()]


def arcee(text: ScoredText) -> dict[str, object]:
    return {
        "input_ids": front(text), "attention_mask": [1] * (len(text) + 1),
        "token_ids": topk_id(text).tolist(), "top_values": (topk_logprob(text) + 9.0).tolist(),
        "normalized_logits": [],
    }  # fmt: skip


def apertus(text: ScoredText) -> dict[str, object]:
    return {
        "input_ids": front(text), "index": topk_id(text).tolist(),
        "exp_logits": np.exp(topk_logprob(text).astype(np.float64) + 2).tolist(),
    }  # fmt: skip


def renormalized(text: ScoredText) -> np.ndarray:
    values = topk_logprob(text).astype(np.float64)
    return values - np.logaddexp.reduce(values, axis=1, keepdims=True)


@pytest.mark.parametrize(("name", "form"), [("arcee-405b", arcee), ("apertus", apertus)])
def test_sets_of_logits(name: str, form: object, texts: list[ScoredText], tmp_path: Path) -> None:
    assert callable(form)
    source = write_parquet(tmp_path / "a.parquet", [form(text) for text in texts])
    import_columns(
        source, tmp_path / "s", layout=PRESETS[name], tokenizer=TEACHER, teacher="b", top_k=K
    )
    store = Store.open(tmp_path / "s")
    for sample, text in zip(store, texts, strict=True):
        assert sample.token_id.tolist() == text.token_id.tolist()
        assert sample.response.prompt == load_tokenizer(TEACHER).decode([FRONT])
        np.testing.assert_allclose(
            np.exp(topk_logprob(sample)), np.exp(renormalized(text)), atol=3e-3
        )


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
@pytest.mark.parametrize("kind", ["logprobs", "probs"])
@pytest.mark.parametrize("beside", ["next", "own", "last"])
def test_any_columns(
    ending: str, kind: str, beside: str, texts: list[ScoredText], tmp_path: Path
) -> None:
    rows = []
    for text in texts:
        values = topk_logprob(text).astype(np.float64)
        tokens = text.token_id.tolist() if beside == "own" else front(text)
        rows.append(
            {"t": tokens, "i": topk_id(text).tolist(),
             "v": (np.exp(values) if kind == "probs" else values).tolist()}
        )  # fmt: skip
    path = tmp_path / "set" / f"rows.{ending}"
    if ending == "parquet":
        write_parquet(path, rows)
    else:
        path.parent.mkdir()
        write_lines(path, rows)
    out = tmp_path / "s"
    command = ["import", "columns", str(path.parent), str(out), "--teacher", "b", "--tokenizer"]
    command += [TEACHER, "--top-k", str(K), "--ids", "i", "--values", "v", "--as", kind]
    done = CliRunner().invoke(cli, [*command, "--tokens", "t", "--rows", beside, "--json"])
    assert done.exit_code == 0, done.output
    same(out, [f"rows/{n:06d}" for n in range(6)], texts, 2e-3)


def test_nemo_aligner_has_an_exact_tail(texts: list[ScoredText], tmp_path: Path) -> None:
    """Rows are beside the labels; what the loss leaves out is prompt or padding."""
    rows = []
    for text in texts:
        logits = topk_logprob(text).astype(np.float64) + 3.25
        blank = [[0.0] * K] * 2
        rows.append(
            {
                "tokens": [1, 5, 6, *text.token_id.tolist(), 0],
                "labels": [5, 6, *text.token_id.tolist(), 0, 0],
                "loss_mask": [0, 0, *[1] * len(text), 0, 0],
                "topk_logits": [*blank, *logits.tolist(), *blank],
                "topk_token_ids": [*[[0] * K] * 2, *topk_id(text).tolist(), *[[0] * K] * 2],
                "log_sum_exp_logits": [1.0, 1.0, *[3.25] * len(text), 1.0, 1.0],
                "index": 0,
            }
        )
    source = write_lines(tmp_path / "rows.jsonl", rows)
    layout = PRESETS["nemo-aligner"]
    import_columns(source, tmp_path / "s", layout=layout, tokenizer=TEACHER, teacher="b", top_k=K)
    same(tmp_path / "s", [f"rows/{n:06d}" for n in range(6)], texts, 2e-3)
    decoded = load_tokenizer(TEACHER).decode([5, 6])
    assert Store.open(tmp_path / "s")["rows/000000", 0].response.prompt == decoded


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
@pytest.mark.parametrize("preset", ["alibaba", "lightning-opd"])
def test_sampled_tokens_alone(
    preset: str, ending: str, texts: list[ScoredText], tmp_path: Path
) -> None:
    """Lightning OPD's are inside another column, beside the text of the prompt."""
    rows: list[dict[str, object]] = []
    for text in texts:
        tokens, values = text.token_id.tolist(), text.token_logprob.tolist()
        inside = {"is_lightning_opd": True, "response_tokens": tokens,
                  "loss_mask": [1] * len(tokens), "response": text.text,
                  "teacher_log_probs": values}  # fmt: skip
        rows.append(
            {"sample_uuid": "u", "token_ids": tokens, "logprobs": values}
            if preset == "alibaba"
            else {"prompt": "Q: how many?", "label": "0", "metadata": inside}
        )
    write = write_parquet if ending == "parquet" else write_lines
    source = write(tmp_path / f"a.{ending}", rows)
    import_columns(
        source, tmp_path / "s", layout=PRESETS[preset], tokenizer=TEACHER, teacher="b", top_k=9
    )
    store = Store.open(tmp_path / "s")
    assert store.description.k == 1
    for sample, text in zip(store, texts, strict=True):
        assert sample.response.prompt == ("" if preset == "alibaba" else "Q: how many?")
        assert topk_id(sample)[:, 0].tolist() == text.token_id.tolist()
        np.testing.assert_allclose(sample.token_logprob, text.token_logprob, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
@pytest.mark.parametrize("column", ["metadata.tokens", "metadata.response_tokens.x", "meta.x"])
def test_a_column_that_is_not_inside(column: str, ending: str, tmp_path: Path) -> None:
    rows = [{"metadata": {"response_tokens": [1], "teacher_log_probs": [-0.1]}, "prompt": "q"}]
    write = write_parquet if ending == "parquet" else write_lines
    source = write(tmp_path / f"a.{ending}", rows)
    layout = replace(PRESETS["lightning-opd"], tokens=column)
    with pytest.raises(InputError, match=f"no column '{column}' but metadata, prompt"):
        import_columns(source, tmp_path / "s", layout=layout, tokenizer=TEACHER, teacher="b")


def test_rows_beside_other_tokens_than_said(texts: list[ScoredText], tmp_path: Path) -> None:
    rows = [
        {"t": text.token_id.tolist(), "i": topk_id(text).tolist(),
         "v": topk_logprob(text).tolist()} for text in texts
    ]  # fmt: skip
    source = write_parquet(tmp_path / "a.parquet", rows)
    layout = Layout("v", "logprobs", "i", tokens="t", beside="next")
    with pytest.raises(InputError, match=r"one place too late: shift them by -1"):
        import_columns(
            source, tmp_path / "s", layout=layout, tokenizer=TEACHER, teacher="b", top_k=K
        )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"v": [[0.1] * K]}, "a log-probability above 0"),
        ({"v": [[-0.1] * K]}, "a mass above 1"),
        ({"v": [[float("nan")] * K]}, "a log-probability is not finite"),
        ({"i": [[1, 1, 2, 3]]}, "an id is repeated in a row"),
        ({"i": [[1, 2, 3, 90_000]]}, "an id outside the vocabulary"),
        ({"t": [90_000]}, "an id outside the vocabulary"),
        ({"i": [[1, 2, 3]], "v": [[-1.0, -2.0, -3.0]]}, "fewer entries than asked for"),
        ({"i": [[1, 2, 3]]}, "entries are not those of the tokens"),
        ({"t": [1, 2, 3]}, "entries are not those of the tokens"),
    ],
)
def test_rows_that_do_not_hold(change: dict[str, object], reason: str, tmp_path: Path) -> None:
    record: dict[str, object] = {"t": [1], "i": [[1, 2, 3, 4]], "v": [[-1.0, -2.0, -3.0, -4.0]]}
    source = write_parquet(tmp_path / "a.parquet", [record | change])
    layout = Layout("v", "logprobs", "i", tokens="t", beside="own")
    with pytest.raises(NothingPassedError, match=reason):
        import_columns(
            source, tmp_path / "s", layout=layout, tokenizer=TEACHER, teacher="b", top_k=K
        )


def test_what_is_refused(texts: list[ScoredText], tmp_path: Path) -> None:
    layout = PRESETS["arcee-405b"]
    for name in ("a.pt", "a.pkl", "deep/a.pickle"):
        path = tmp_path / name.replace(".", "_") / name
        path.parent.mkdir(parents=True)
        path.write_bytes(pickle.dumps({"logits": [1]}))
        for source in (path, tmp_path / name.replace(".", "_")):
            with pytest.raises(InputError, match="is pickled, and reading it may run code"):
                import_columns(
                    source, tmp_path / "s", layout=layout, tokenizer=TEACHER, teacher="b"
                )
    source = write_parquet(tmp_path / "x.parquet", [{"input_ids": [1], "other": [2]}])
    with pytest.raises(InputError, match="no column 'token_ids' but input_ids, other"):
        import_columns(source, tmp_path / "s", layout=layout, tokenizer=TEACHER, teacher="b")
    for options, message in (
        ({"preset": "unknown"}, "no preset 'unknown'; there are: arcee-405b"),
        ({"preset": None}, "name --values and --as, or a --preset"),
        ({"preset": None, "values": "v", "kind": "bits"}, "values are logits, logprobs"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            named_layout(**options)


@pytest.mark.parametrize(
    ("tokens", "rows", "beside", "segments", "expected"),
    [
        (4, 3, "next", None, [Run(0, 1, 4, slice(0, 3))]),
        (4, 4, "next", None, [Run(0, 1, 4, slice(0, 3))]),
        (4, 4, "own", None, [Run(0, 0, 4, slice(0, 4))]),
        (4, 2, "last", None, [Run(0, 2, 4, slice(0, 2))]),
        (5, 5, "next", [1, 1, 2, 2, 2],
         [Run(0, 1, 2, slice(0, 1)), Run(2, 3, 5, slice(2, 4))]),
        (5, 5, "next", [1, 1, 1, 0, 0], [Run(0, 1, 3, slice(0, 2))]),
        (5, 5, "own", [0, 0, 1, 1, 0], [Run(0, 2, 4, slice(2, 4))]),
        (5, 5, "own", [0, 1, 0, 1, 1], [Run(0, 1, 2, slice(1, 2)), Run(2, 3, 5, slice(3, 5))]),
        (3, 3, "own", [0, 0, 0], []),
        (1, 1, "next", None, []),
    ],
)  # fmt: skip
def test_runs(
    tokens: int, rows: int, beside: Beside, segments: list[int] | None, expected: list[Run]
) -> None:
    marks = None if segments is None else np.array(segments)
    found = runs(tokens, rows, beside, marks)
    assert not isinstance(found, str)
    assert list(found) == expected
