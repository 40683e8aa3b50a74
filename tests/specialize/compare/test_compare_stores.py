"""Stores of the same texts are compared row by row, whatever their order; others are refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from align.sparse import SparseDistributions, from_padded, one_hot
from align.vocabulary import build_vocabulary
from specialize.cli.stages import cli
from specialize.compare.clustered import Mean, Tally
from specialize.compare.row_distances import row_distances
from specialize.compare.stores import StoreComparison, compare_stores
from specialize.errors import ConfigurationError, StoreError
from specialize.records import Response
from specialize.store import Sample, StoreDescription, StoreWriter
from specialize.store.layout import arrays_path

K, PIECES = 3, [b" the", b"ing", b" 12", b".", "é".encode(), b"</s>", b" a", b"7"]
V, END = len(PIECES), 5
VOCABULARY = build_vocabulary(PIECES, flags={END: 8}, eos=END)
LENGTHS = (3, 20, 1, 70, 5, 18, 2, 9, 4, 33, 6)


def described(**changes: object) -> StoreDescription:
    base = {"kind": "responses", "teacher": "t", "tokenizer": "tok", "fingerprint": "f",
            "vocabulary_size": V, "k": K, "codec": "f32"}  # fmt: skip
    return StoreDescription(**{**base, **changes})


def samples(noise: float, seed: int = 0) -> list[Sample]:
    """Texts of random tokens that end in END; rows whose logits differ by ``noise``."""
    rng, other = np.random.default_rng(0), np.random.default_rng(seed)
    made = []
    for number, length in enumerate(LENGTHS):
        logits = rng.normal(0, 2, (length, V))
        logits = logits + noise * other.normal(0, 1, logits.shape)
        logprobs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        tokens = np.append(rng.choice([t for t in range(V) if t != END], length - 1), END)
        ids = np.argsort(-logprobs, axis=1)[:, :K]
        top = np.take_along_axis(logprobs, ids, axis=1)
        tail = np.log(-np.expm1(np.logaddexp.reduce(top, axis=1)))
        response = Response(f"q/{number // 2}", number % 2, f"Q {number // 2}", f"text {number}")
        own = np.take_along_axis(logprobs, tokens[:, None], axis=1)[:, 0]
        made.append(Sample(response, tokens, own, from_padded(ids, top, tail)))
    return made


def write(path: Path, made: Sequence[Sample], shard: int = 4, **changes: object) -> Path:
    with StoreWriter(path, described(**changes), shard_samples=shard) as writer:
        for number in range(-(-len(made) // shard)):
            writer.write(number, made[number * shard : (number + 1) * shard])
        writer.finish(VOCABULARY, {})
    return path


def rows_of(made: Sequence[Sample]) -> SparseDistributions:
    return from_padded(*(
        np.concatenate(part)
        for part in zip(*(one.distributions.padded(K) for one in made), strict=True)
    ))  # fmt: skip


def test_rows_are_matched_by_text_and_compared(tmp_path: Path) -> None:
    """The means are those of all rows at once, whatever the order, the names and the shards."""
    one, other = samples(0), samples(0.3, 1)
    shuffled = [replace(s, response=replace(s.response, example_id=f"x/{n}", sample=0))
                for n, s in enumerate(reversed(other))]  # fmt: skip
    found = compare_stores(write(tmp_path / "a", one), write(tmp_path / "b", shuffled, shard=3))
    assert (found.texts, found.positions) == (len(LENGTHS), sum(LENGTHS))
    assert (found.only_first, found.only_second, found.other_tokens, found.without_end) == (0,) * 4
    expected = row_distances(rows_of(one), rows_of(other))
    for name, values in (
        ("kl", expected.kl), ("reverse", expected.reverse), ("tv_least", expected.tv_least),
        ("tv_most", expected.tv_most), ("top1", expected.top1), ("alike", expected.alike),
    ):  # fmt: skip
        assert found.overall[name].mean == pytest.approx(values.mean(), rel=1e-5), name
    nats = [np.concatenate([-s.token_logprob for s in side]).mean() for side in (one, other)]
    assert found.overall["nats_first"].mean == pytest.approx(nats[0], rel=1e-5)
    assert found.overall["nats_difference"].mean == pytest.approx(nats[1] - nats[0], abs=1e-6)
    places = np.concatenate([np.arange(length) for length in LENGTHS])
    assert {name: means["kl"].rows for name, means in found.by_place.items()} == {
        "1-16": (places < 16).sum(), "17-64": ((places >= 16) & (places < 64)).sum(),
        "65-256": (places >= 64).sum(),
    }  # fmt: skip
    tokens = np.concatenate([s.token_id for s in one])
    kinds = {"number": (2, 7), "word start": (0, 6), "word inside": (1,), "punctuation": (3,),
             "non-ASCII": (4,), "end": (END,)}  # fmt: skip
    for name, ids in kinds.items():
        wanted = np.isin(tokens, ids)
        assert found.by_class[name]["kl"].rows == wanted.sum(), name
        assert found.by_class[name]["kl"].mean == pytest.approx(expected.kl[wanted].mean())
    assert found.by_class.keys() == kinds.keys()


def test_the_same_store_is_not_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "a", samples(0))
    found = compare_stores(path, path)
    for name in ("kl", "reverse", "tv_least", "nats_difference"):
        assert found.overall[name] == Mean(0.0, (0.0, 0.0), sum(LENGTHS), len(LENGTHS)), name
    assert found.overall["top1"].mean == found.overall["alike"].mean == 1


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    one, other = samples(0), samples(0)
    other[0] = replace(other[0], response=replace(other[0].response, text="another"))
    tokens = other[1].token_id.copy()
    tokens[4] = (tokens[4] + 1) % END
    other[1] = replace(other[1], token_id=tokens)
    short = other[3]
    other[3] = Sample(short.response, short.token_id[:-1], short.token_logprob[:-1],
                      short.distributions[:-1])  # fmt: skip
    del other[4]
    found = compare_stores(write(tmp_path / "a", one), write(tmp_path / "b", other, codec="f16"))
    assert (found.only_first, found.only_second, found.other_tokens, found.without_end) == (
        2, 1, 1, 1,
    )  # fmt: skip
    assert found.texts == len(LENGTHS) - 3
    assert found.positions == sum(LENGTHS) - 3 - 20 - 5 - 1
    assert found.warnings == ("8 texts are too few for the intervals",)
    assert 0 < found.overall["tv_least"].mean < 5e-4  # what half precision costs


def test_other_stores_are_refused(tmp_path: Path) -> None:
    made = samples(0)[:1]
    a = write(tmp_path / "a", made)
    for name, changes, message in (
        ("b", {"fingerprint": "g"}, "align both to one student and compare the targets"),
        ("c", {"kind": "targets"}, "holds responses, .*/c targets; compare two of a kind"),
        ("d", {"settings": {"entries": "12 draws"}}, "are 12 draws, which are no distribution"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            compare_stores(a, write(tmp_path / name, made, **changes))


def test_other_texts_are_refused(tmp_path: Path) -> None:
    a = write(tmp_path / "a", samples(0))
    for name, change, message in (
        ("b", {"text": "none of them"}, "11 texts of .*/a and 1 of .*/b, none are the same"),
        ("c", {"prompt": "other"}, "1 have the same text, but no prompt is the same"),
    ):
        one = samples(0)[0]
        path = write(tmp_path / name, [replace(one, response=replace(one.response, **change))])
        with pytest.raises(ConfigurationError, match=message):
            compare_stores(a, path)
    other = replace(samples(0)[1], token_id=samples(0)[1].token_id[::-1].copy())
    with pytest.raises(ConfigurationError, match="1 are the same, but in different tokens"):
        compare_stores(a, write(tmp_path / "d", [other]))
    content = arrays_path(a, 1).read_bytes()
    arrays_path(a, 1).chmod(0o644)
    arrays_path(a, 1).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StoreError, match="dump"):
        compare_stores(a, a)


def test_rows_that_rule_something_out_are_named(tmp_path: Path) -> None:
    """A certain row has no other token; where a tail is 1 - sum, nothing is certain."""
    one = samples(0)
    hard = [replace(sample, distributions=one_hot(sample.token_id)) for sample in one]
    a = write(tmp_path / "a", one)
    found = compare_stores(a, write(tmp_path / "b", hard))
    assert "kl" not in found.overall
    assert found.warnings[0].startswith(f"in {sum(LENGTHS)} positions one store rules out")
    served = write(tmp_path / "c", hard, settings={"tail": "complement"})
    found = compare_stores(a, served)
    assert found.overall["kl"].rows == sum(LENGTHS)
    assert "the tail of the second store is 1 - sum" in found.warnings[0]


def test_the_command(tmp_path: Path) -> None:
    paths = [str(write(tmp_path / name, samples(noise))) for name, noise in (("a", 0), ("b", 0.2))]
    done = CliRunner().invoke(cli, ["compare-stores", *paths, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    found: StoreComparison = compare_stores(*paths)
    assert told["overall"]["kl"]["mean"] == found.overall["kl"].mean
    assert told["by_class"].keys() == found.by_class.keys()
    shown = CliRunner().invoke(cli, ["compare-stores", *paths])
    assert shown.exit_code == 0, shown.output
    for word in ("11 texts in both", "1-16", "number", "end", "top-1", "reverse KL"):
        assert word in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 100


def test_the_interval_holds_the_mean_of_texts_that_differ() -> None:
    """Texts with a level of their own: intervals over positions alone would hold half as often."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        lengths = rng.integers(1, 30, 40)
        text = np.repeat(np.arange(40), lengths)
        values = (rng.gamma(2, 1, 40)[text] + rng.normal(0, 1, len(text))).astype(np.float64)
        tally = Tally(("x",), 2)
        for part in (text < 20, text >= 20):  # in two calls, as two shards
            tally.add(text[part] - text[part].min(), np.ones(part.sum(), np.int64),
                      {"x": values[part]})  # fmt: skip
        found = tally.mean("x", 1)
        assert found is not None
        assert (found.rows, found.texts) == (len(text), 40)
        assert found.mean == pytest.approx(values.mean())
        assert found.interval is not None
        held += found.interval[0] <= 2 <= found.interval[1]
        assert tally.mean("x", 0) is None
    assert 0.90 <= held / 300 <= 0.98
