"""Dynamic time warping against plain recursion and the published way back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align.dtw import prices, spellings, warp
from specialize.tokens import load_tokenizer
from tests.reference import alignment as reference
from tests.support.strategies import EXAMPLES

PIECES = st.lists(
    st.sampled_from([b"a", b" ab", b"12", b" $12", b"$", b"\n", b" ", b"She", b"\xc3", b"s", b"."]),
    min_size=1,
    max_size=9,
)


@given(PIECES, PIECES)
@settings(max_examples=EXAMPLES)
def test_p09_path_and_cost_are_the_published_ones(a: list[bytes], b: list[bytes]) -> None:
    alignment, cost = warp(a, b)
    assert [tuple(link) for link in alignment.links.tolist()] == reference.published_warp(a, b)[0]
    assert cost == reference.cheapest_path_cost(a, b)
    linked = alignment.links.T.tolist()
    assert sorted({*linked[0]}) == list(range(len(a)))
    assert sorted({*linked[1]}) == list(range(len(b)))


@given(PIECES, PIECES)
def test_cost_is_symmetric(a: list[bytes], b: list[bytes]) -> None:
    """The cost is; the path is not where ties exist, since up is preferred to left."""
    assert warp(a, b)[1] == warp(b, a)[1]


@given(
    st.lists(st.binary(max_size=6), min_size=1, max_size=5),
    st.lists(st.text(max_size=70).map(str.encode), min_size=1, max_size=3),
)
def test_prices_are_edit_distances(a: list[bytes], b: list[bytes]) -> None:
    which_a, one = spellings(a)
    which_b, two = spellings(b)
    table = prices(one, two)
    for i, piece in enumerate(a):
        for j, other in enumerate(b):
            assert table[which_a[i], which_b[j]] == reference.published_cost(piece, other)


def test_the_published_example_errs_as_published() -> None:
    """An edit distance knows no positions: "s" is as near to " $" as " earns" is to "s"."""
    source = [b"Weng", b" earns", b" $", b"12"]
    target = [b" We", b"ng", b" earn", b"s", b" $12"]
    links, cost = warp(source, target)
    assert (links.links.tolist(), cost) == ([[0, 0], [0, 1], [1, 2], [2, 3], [3, 4]], 7)


@pytest.mark.parametrize(("a", "b"), [([], [b"a"]), ([b"a"], []), ([], [])])
def test_a_side_without_tokens_is_refused(a: list[bytes], b: list[bytes]) -> None:
    with pytest.raises(ValueError, match="every token needs a partner"):
        warp(a, b)


@pytest.mark.realdata
@pytest.mark.parametrize("every", [60, pytest.param(1, marks=pytest.mark.slow)])
def test_real_texts_are_warped_as_published(data_dir: Path, every: int) -> None:
    """GSM8K test solutions and Codex samples, token for token and in cost."""
    gpt2, t5 = (load_tokenizer(data_dir / "tokenizers" / name) for name in ("gpt2", "t5"))
    lines = (data_dir / "gsm8k" / "test.jsonl").read_text().splitlines()
    solutions = [json.loads(line)["answer"] for line in lines]
    assert len(solutions) == 1319
    pairs = [(gpt2.pieces(gpt2.encode(text)), text) for text in solutions]
    samples = json.loads((data_dir / "codex" / "codex_q0_samples_top5.json").read_text())
    assert len(samples) == 50
    for sample in samples:
        pieces = [step[0][0].encode() for step in sample[2:-2]]
        pairs.append((pieces, b"".join(pieces).decode()))
    tokens = 0
    for source, text in pairs[::every]:
        target = t5.pieces(t5.encode(text))
        alignment, cost = warp(source, target)
        links, expected = reference.published_warp(source, target)
        assert [tuple(link) for link in alignment.links.tolist()] == links
        assert cost == expected
        tokens += len(target)
    print(f"{len(pairs[::every])} texts, {tokens:,} student tokens")
