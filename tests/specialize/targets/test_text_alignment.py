"""Alignment by the text against alignment by ids, on real vocabularies and hard texts."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from align import align_batch, ragged
from align.blocks import WINDOW
from align.spans import align_spans
from specialize import datasets
from specialize.targets import text_alignment
from specialize.targets.text_alignment import Spans, known_blocks, piece_ends, text_spans, verified
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support.unicode_texts import unicode_texts

FILES = {
    "gpt2": "gpt2",
    "p50k": "tiktoken",
    "neox": "neox/20B_tokenizer.json",
    "mistral": "mistral",
    "t5": "t5",
}
PAIRS = [(other, "t5") for other in FILES if other != "t5"]
PAIRS += [("t5", other) for other, _ in PAIRS]


@pytest.fixture(scope="module")
def tokenizers(data_dir: Path) -> dict[str, Tokenizer]:
    return {name: load_tokenizer(data_dir / "tokenizers" / path) for name, path in FILES.items()}


def corpora(data_dir: Path) -> dict[str, list[str]]:
    lines = [
        json.loads(line)
        for name in ("train", "test")
        for line in (data_dir / "gsm8k" / f"{name}.jsonl").read_text().splitlines()
    ]
    solutions = [line["answer"] for line in lines]
    return {
        "solutions": solutions,
        "solutions in one line": [
            re.sub(r"<<.*?>>", "", text).replace("\n", " ") for text in solutions
        ],
        "questions": [line["question"] for line in lines],
        "svamp": [e.question for e in datasets.load("svamp", str(data_dir / "svamp"))],
        "asdiv": [e.question for e in datasets.load("asdiv", str(data_dir / "asdiv"))],
    }


def by_text(sides: Sequence[Spans]) -> list[list[int]]:
    """The reference: the groups that the repaired character offsets give."""
    blocks = align_spans(
        *(ragged([side.ends]) for side in sides),
        source_glued=sides[0].glued,
        target_glued=sides[1].glued,
    )
    return blocks.groups.tolist()


def check_cover(groups: Sequence[Sequence[int]], n: int, m: int) -> None:
    """Groups follow one another on both sides and cover both."""
    assert [groups[0][0], groups[0][2]] == [0, 0]
    assert [groups[-1][1], groups[-1][3]] == [n, m]
    for before, after in pairwise(groups):
        assert [before[1], before[3]] == [after[0], after[2]]


@pytest.mark.realdata
@pytest.mark.parametrize("every", [31, pytest.param(1, marks=pytest.mark.slow)])
def test_real_texts_have_the_groups_of_the_offsets(data_dir, tokenizers, every):
    """All groups of all texts, every vocabulary to T5's and back; no exception."""
    count = 0
    for texts in corpora(data_dir).values():
        part = texts[::every]
        spans = {
            name: [text_spans(tokenizer, text) for text in part]
            for name, tokenizer in tokenizers.items()
        }
        for one, other in PAIRS:
            blocks = align_batch(
                *(tokenizers[name].vocabulary() for name in (one, other)),
                *(ragged([side.ids for side in spans[name]]) for name in (one, other)),
            )
            for s, (mine, its) in enumerate(zip(spans[one], spans[other], strict=True)):
                groups = blocks.groups[blocks.indptr[s] : blocks.indptr[s + 1]].tolist()
                assert groups == by_text((mine, its)), (one, other, part[s])
                count += len(groups)
        for name, tokenizer in tokenizers.items():
            for text, side in zip(part[::5], spans[name][::5], strict=True):
                alone = np.stack([np.arange(len(side.ids)), np.arange(1, len(side.ids) + 1)], 1)
                free = ~np.append(side.glued[1:], False) & ~side.glued
                free &= np.diff(side.ends, prepend=0) > 0
                assert verified(tokenizer, text, side, alone[free].astype(np.int32)).all()
    print(f"{count:,} groups")


# Dropped control characters shift the offsets that the library gives for T5: ids decide there.
EXCEPTIONS = ["\x01\x02start 今天天气很好,我们去公园吧。", "\x01\x02start 1,234,567.89"]


@pytest.mark.realdata
@pytest.mark.parametrize("source", ["gpt2", "p50k", "neox", "mistral"])
def test_hard_texts_have_the_groups_of_the_offsets(tokenizers, source):
    teacher, target = tokenizers[source], tokenizers["t5"]
    # a response is what its tokens spell: NeoX's normalizer composes characters
    texts = [teacher.decode(teacher.encode(text)) for text in unicode_texts()]
    assert len(set(texts)) >= 200
    mine = [teacher.encode(text) for text in texts]
    its = [target.encode(text) for text in texts]
    vocabulary = teacher.vocabulary()
    blocks, read = known_blocks(vocabulary, target, ragged(mine), ragged(its), texts)
    exceptions = []
    for s, text in enumerate(texts):
        groups = blocks.groups[blocks.indptr[s] : blocks.indptr[s + 1]].tolist()
        check_cover(groups, len(mine[s]), len(its[s]))
        ends, spans = piece_ends(vocabulary.pieces(mine[s]), text), text_spans(target, text)
        assert ends is not None
        reference = by_text((Spans(mine[s], ends, np.zeros(len(mine[s]), np.bool_)), spans))
        if verified(target, text, spans, np.array(reference, np.int32)[:, 2:]).all():
            assert groups == reference, text
        else:
            exceptions.append(text)
    assert read > 30
    assert exceptions == EXCEPTIONS


@pytest.mark.realdata
@pytest.mark.parametrize("source", ["gpt2", pytest.param("mistral", marks=pytest.mark.slow)])
def test_hard_texts_among_words_have_the_groups_of_the_whole(data_dir, tokenizers, source):
    """What differs is read with the words around it, where hard texts stand in and between them."""
    teacher, target = tokenizers[source], tokenizers["t5"]
    solutions, hard = corpora(data_dir)["solutions"], unicode_texts()
    texts = [
        f"{first[:40]}{hard[7 * i % len(hard)]}{first[40:90]} {hard[i]} {second}"
        for i, (first, second) in enumerate(pairwise(solutions[: len(hard) + 1]))
    ]
    texts = [teacher.decode(teacher.encode(text)) for text in texts]
    mine, its = teacher.encode_ragged(texts, eos=False), target.encode_ragged(texts, eos=False)
    vocabulary = teacher.vocabulary()
    blocks, read = known_blocks(vocabulary, target, mine, its, texts)
    same = 0
    for s, text in enumerate(texts):
        groups = blocks.groups[blocks.indptr[s] : blocks.indptr[s + 1]].tolist()
        ids = mine.sample(s).tolist()
        check_cover(groups, len(ids), len(its.sample(s)))
        ends, spans = piece_ends(vocabulary.pieces(ids), text), text_spans(target, text)
        assert ends is not None
        reference = by_text((Spans(ids, ends, np.zeros(len(ids), np.bool_)), spans))
        if verified(target, text, spans, np.array(reference, np.int32)[:, 2:]).all():
            assert groups == reference, text
            same += 1
    assert same > 0.9 * len(texts)
    assert read > 0.9 * len(texts)


@pytest.mark.realdata
def test_only_the_words_around_what_differs_are_read(data_dir, tokenizers, monkeypatch):
    gpt2, t5 = tokenizers["gpt2"], tokenizers["t5"]
    half = " ".join(corpora(data_dir)["questions"][1:40])
    text = f"{half} He ate ½ cup more. {half}"
    mine, its = ragged([gpt2.encode(text)]), ragged([t5.encode(text)])
    asked = []

    def noted(tokenizer: Tokenizer, part: str) -> Spans:
        asked.append(part)
        return text_spans(tokenizer, part)

    monkeypatch.setattr(text_alignment, "text_spans", noted)
    _, read = known_blocks(gpt2.vocabulary(), t5, mine, its, [text])
    assert (read, asked) == (1, [" ate ½ cup"])


@pytest.mark.realdata
def test_texts_that_are_not_spelled_by_their_tokens_keep_the_blocks_of_their_ids(tokenizers):
    gpt2, t5 = tokenizers["gpt2"], tokenizers["t5"]
    text = "He has ½ cup."
    mine, its = ragged([gpt2.encode(text)]), ragged([t5.encode(text)])
    blocks, read = known_blocks(gpt2.vocabulary(), t5, mine, its, ["He has ¼ cup."])
    alone = align_batch(gpt2.vocabulary(), t5.vocabulary(), mine, its)
    assert read == 0
    assert blocks.groups.tolist() == alone.groups.tolist()
    assert WINDOW in blocks.kind


def test_pieces_that_do_not_spell_the_text_have_no_ends():
    assert piece_ends([b"She", b" x"], "He x") is None
    ends = piece_ends([b" She", b" x"], "She x")
    assert ends is not None
    assert ends.tolist() == [3, 5]


@pytest.mark.realdata
@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_random_bytes_pass_five_pairs_and_lose_nothing(tokenizers, count):
    """Bytes as a byte-level teacher writes them, one token each or as it would merge them, against
    what the student's tokenizer makes of their text."""
    rng = np.random.default_rng(count)
    for source, target in [*PAIRS[:4], ("t5", "gpt2")]:
        done = 0
        while done < count:
            batch = min(2_000, count - done)
            check_batch(rng, tokenizers[source], tokenizers[target], batch)
            done += batch


def check_batch(rng: np.random.Generator, source: Tokenizer, target: Tokenizer, count: int) -> None:
    """Random byte strings through one pair; blocks cover both sides, in order, with all bytes."""
    alphabet = np.concatenate(
        [np.arange(256), np.full(64, 32), np.full(32, 10), np.arange(97, 123)]
    )
    strings = [
        rng.choice(alphabet, rng.integers(0, 40)).astype(np.uint8).tobytes() for _ in range(count)
    ]
    texts = [string.decode(errors="replace") for string in strings]
    mine, its = source.encode_batch(texts), target.encode_batch(texts)
    single = {source.vocabulary().piece(v): v for v in range(source.size - 1, -1, -1)}
    if all(bytes([byte]) in single for byte in range(256)):  # every other one, byte by byte
        mine[::2] = [[single[bytes([byte])] for byte in string] for string in strings[::2]]
    sides = ragged(mine), ragged(its)
    vocabularies = source.vocabulary(), target.vocabulary()
    blocks = align_batch(*vocabularies, *sides)
    groups, sample = blocks.groups, np.repeat(np.arange(count), np.diff(blocks.indptr))
    first = np.append(True, sample[1:] != sample[:-1])
    last = np.append(first[1:], True)
    for side, start, end in ((sides[0], 0, 1), (sides[1], 2, 3)):
        assert (groups[first, start] == 0).all()
        assert (groups[last, end] == side.lengths[sample[last]]).all()
        assert (groups[1:, start] == groups[:-1, end])[~first[1:]].all()
        assert (groups[:, end] >= groups[:, start]).all()
        covered = np.zeros(count, np.int64)
        np.add.at(covered, sample, groups[:, end] - groups[:, start])
        assert (covered == side.lengths).all()
    if all(bytes([byte]) in single for byte in range(256)):
        spelled = [vocabularies[0].pieces(ids) for ids in mine[::2]]
        assert [b"".join(pieces) for pieces in spelled] == strings[::2]
