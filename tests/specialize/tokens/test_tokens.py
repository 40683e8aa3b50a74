"""Every published form of a tokenizer is read as what it is; no text becomes a special token."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from align import align_batch, ragged
from align.pieces import CHARACTER_OF
from align.vocabulary import BARE, BYTE, MARKER, SPECIAL, UNKNOWN
from specialize.errors import ConfigurationError, InputError
from specialize.tokens import Tokenizer, load_tokenizer
from tests.reference.tokens import rank_encode

CORPUS = [
    "She earns $12 an hour. How many hours does she work?",
    "Weng earned 12/60 = $0.2 per minute, so 50 x 0.2 = $10.",
    "  two  spaces,\n a new line and\ttabs; he said 'ok'",
    "½ of the ﬁne cake: 9 m², naïve café — 你好 😀",
    "aaaa bbbb abab baba aabb bbaa aba bab",
]
LOOK_ALIKES = ["</s>", "<unk>", "<pad>", "<|endoftext|>", "<0x0A>", "<extra_id_0>", "<s>", "[PAD]"]
SPECIALS = ["<pad>", "</s>", "<unk>"]


def train_sentencepiece(kind: str, **options: object) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 20), model_writer=model, model_type=kind, minloglevel=2,
        hard_vocab_limit=False, **options,
    )  # fmt: skip
    return model.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One tokenizer of each family."""
    root = tmp_path_factory.mktemp("tokenizers")
    for name in FAMILIES:
        (root / name).mkdir()
    t5 = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "vocab_size": 120}
    spiece = train_sentencepiece("unigram", character_coverage=0.98, **t5)
    (root / "t5" / "spiece.model").write_bytes(spiece)
    llama = {"byte_fallback": True, "vocab_size": 400, "normalization_rule_name": "identity"}
    merges = train_sentencepiece("bpe", remove_extra_whitespaces=False, **llama)
    (root / "llama" / "tokenizer.model.v1").write_bytes(merges)
    bytes_only = byte_level()
    bytes_only.save(str(root / "bpe" / "tokenizer.json"))
    bytes_only.model.save(str(root / "gpt2"))
    write_ranks(root / "ranks" / "r50k_base.tiktoken", bytes_only)
    write_tekken(root / "tekken" / "tekken.json", root / "ranks" / "r50k_base.tiktoken")
    unigram().save(str(root / "unigram" / "tokenizer.json"))
    return root


def byte_level() -> Backend:
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        special_tokens=["<|endoftext|>"],
    )  # fmt: skip
    backend.train_from_iterator(CORPUS * 20, trainer)
    return backend


def unigram() -> Backend:
    backend = Backend(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False
    )
    backend.train_from_iterator(CORPUS * 20, trainer)
    return backend


def write_ranks(path: Path, backend: Backend) -> None:
    values = {character: byte for byte, character in CHARACTER_OF.items()}
    tokens = [
        bytes(values[character] for character in token)
        for token, _ in sorted(backend.get_vocab().items(), key=lambda entry: entry[1])
        if token != "<|endoftext|>"
    ]
    lines = [f"{base64.b64encode(token).decode()} {rank}" for rank, token in enumerate(tokens)]
    path.write_text("\n".join(lines) + "\n")


def write_tekken(path: Path, ranks: Path) -> None:
    """The same tokens after three special ones; the last rank is beyond those in use."""
    lines = [line.split() for line in ranks.read_text().splitlines()]
    vocabulary = [{"rank": int(rank), "token_bytes": token} for token, rank in lines]
    beyond = {"rank": len(lines), "token_bytes": base64.b64encode(b"beyond").decode()}
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    config = {"pattern": pattern, "default_num_special_tokens": 3}
    config["default_vocab_size"] = 3 + len(lines)
    path.write_text(json.dumps({"config": config, "vocab": [*vocabulary, beyond]}))


FAMILIES = ["t5", "llama", "gpt2", "ranks", "unigram", "bpe", "tekken"]
BYTE_LEVEL = ["gpt2", "ranks", "bpe", "tekken"]


@pytest.fixture(scope="module")
def loaded(folder: Path) -> dict[str, Tokenizer]:
    return {name: load_tokenizer(folder / name) for name in FAMILIES}


words = st.sampled_from(
    [*"ab12 .,$'\n\t", "  ", "she", " hour", "½", "²", "é", "你", "😀", *LOOK_ALIKES]
)
texts = st.lists(words, max_size=12).map("".join)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=100)
@given(text=texts)
def test_pieces_spell_the_text(loaded: dict[str, Tokenizer], family: str, text: str) -> None:
    tokenizer = loaded[family]
    ids = tokenizer.encode(text)
    spelled = b"".join(tokenizer.pieces(ids))
    assert not tokenizer.vocabulary().flags[ids].astype(int).__and__(SPECIAL).any()
    assert tokenizer.unknown_share(ids) == (np.mean(np.equal(ids, tokenizer.unk)) if ids else 0)
    if family in BYTE_LEVEL:
        assert (spelled, tokenizer.decode(ids)) == (text.encode(), text)
    elif family == "llama":
        assert spelled == (f" {text}" if text else "").encode()
        assert tokenizer.decode(ids) == text
    elif tokenizer.unk not in ids:
        folded = " ".join(text.replace("½", "1⁄2").replace("²", "2").split())
        if family == "t5":
            assert spelled == (f" {folded}" if folded else "").encode()


@settings(max_examples=300)
@given(text=texts)
def test_sentencepiece_itself_agrees(folder: Path, loaded: dict[str, Tokenizer], text: str) -> None:
    ids = []
    for family, file in (("t5", "spiece.model"), ("llama", "tokenizer.model.v1")):
        model = sentencepiece.SentencePieceProcessor(model_file=str(folder / family / file))
        ids.append((loaded[family].encode(text), model.encode(text)))
    (found, expected), merged = ids
    assert sorted(found) == sorted(expected)  # a|aa and aa|a cost the same: either may be taken
    assert merged[0] == merged[1]


@settings(max_examples=200)
@given(text=texts)
def test_ranks_agree_with_the_rule(folder: Path, loaded: dict[str, Tokenizer], text: str) -> None:
    lines = (folder / "ranks" / "r50k_base.tiktoken").read_text().split("\n")[:-1]
    ranks = {base64.b64decode(t): int(r) for t, r in (line.split() for line in lines)}
    assert loaded["ranks"].encode(text) == rank_encode(text, ranks, {})
    # the library's own training made these merges: id 0 was the special token there
    assert [i - 1 for i in loaded["bpe"].encode(text)] == loaded["ranks"].encode(text)
    assert loaded["bpe"].encode(text) == loaded["gpt2"].encode(text)
    assert [i - 3 for i in loaded["tekken"].encode(text)] == loaded["ranks"].encode(text)


def test_tekken_names_its_special_tokens(loaded: dict[str, Tokenizer]) -> None:
    tekken = loaded["tekken"]
    assert (tekken.eos, tekken.size) == (2, loaded["bpe"].size - 1 + 3)
    assert tekken.vocabulary().flags[:3].tolist() == [SPECIAL] * 3


def test_a_damaged_tekken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tekken.json").write_text('{"vocab": []}')
    with pytest.raises(
        InputError, match=r"tekken.json is no Tekken vocabulary: KeyError\('config'"
    ):
        load_tokenizer(tmp_path)


def word_piece() -> Backend:
    pieces = ["[UNK]", "she", "earn", "##s", "12", "$", ".", "an", "hour", "##ing"]
    backend = Backend(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    return backend


def test_word_pieces_spell_without_whitespace(tmp_path: Path, loaded: dict[str, Tokenizer]) -> None:
    """Whitespace that the model drops goes with what follows; a case that it drops is a window."""
    word_piece().save(str(tmp_path / "tokenizer.json"))
    tokenizer, teacher = load_tokenizer(tmp_path), loaded["bpe"]
    text = "She earns $12 an hour."
    ids = tokenizer.encode(text)
    assert tokenizer.pieces(ids) == [
        b"she", b"earn", b"s", b"$", b"12", b"an", b"hour", b"."
    ]  # fmt: skip
    mine = teacher.encode(text)
    blocks = align_batch(
        teacher.vocabulary(), tokenizer.vocabulary(), ragged([mine]), ragged([ids])
    )
    spelled = [
        (b"".join(teacher.pieces(mine[a:b])), b"".join(tokenizer.pieces(ids[c:d])))
        for a, b, c, d in blocks.groups.tolist()
    ]
    assert b"".join(source for source, _ in spelled) == text.encode()
    assert (b" hour", b"hour") in spelled
    assert all(one.strip().lower() == other for one, other in spelled)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_look_alikes_are_text(loaded: dict[str, Tokenizer], family: str, text: str) -> None:
    tokenizer = loaded[family]
    for inside in (text, f"a {text} b", f"12{text}"):
        ids = tokenizer.encode(inside)
        assert len(ids) > 1
        assert not (tokenizer.vocabulary().flags[ids] & SPECIAL).any()
        assert not {tokenizer.eos, tokenizer.pad} & {*ids}
    known = family in (*BYTE_LEVEL, "llama")
    assert not known or tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=60)
@given(text=texts)
def test_spans(loaded: dict[str, Tokenizer], family: str, text: str) -> None:
    tokenizer = loaded[family]
    ids, spans = tokenizer.spans(text)
    assert ids == tokenizer.encode(text)
    assert spans.shape == (len(ids), 2)
    assert ((spans >= 0) & (spans <= len(text.encode()))).all()
    assert (spans[:, 0] <= spans[:, 1]).all()
    for (start, end), piece in zip(spans.tolist(), tokenizer.pieces(ids), strict=True):
        covered = text.encode()[start:end]
        if family in (*BYTE_LEVEL, "llama"):
            assert covered == piece or b" " + covered == piece == piece[:1] + covered


def test_spans_of_folded_text_are_the_librarys(loaded: dict[str, Tokenizer]) -> None:
    text = "é  12"
    ids, spans = loaded["unigram"].spans(text)
    pieces = [text.encode()[start:end].decode() for start, end in spans.tolist()]
    assert "".join(pieces).replace(" ", "") == "é12"
    assert len(ids) == len(pieces)


def test_ends_and_batches(loaded: dict[str, Tokenizer]) -> None:
    t5, llama = loaded["t5"], loaded["llama"]
    assert t5.encode("she", eos=True) == [*t5.encode("she"), 1]
    assert t5.encode_batch(["she", "", "she"]) == [t5.encode("she"), [], t5.encode("she")]
    assert t5.decode([*t5.encode("she earns"), 1, 0, 0, t5.size + 5]) == "she earns"
    assert (t5.eos, t5.pad, t5.unk) == (1, 0, 2)
    assert (llama.eos, llama.pad, llama.unk) == (2, None, 0)
    assert t5.unknown_share([]) == 0.0
    assert t5.unknown_share([2, 5, 2, 7]) == 0.5
    endless = loaded["gpt2"], loaded["bpe"]
    assert [tokenizer.eos for tokenizer in endless] == [0, 0]


def test_a_tokenizer_without_an_end(tmp_path: Path) -> None:
    backend = byte_level()
    definition = json.loads(backend.to_str())
    definition["added_tokens"] = []
    (tmp_path / "tokenizer.json").write_text(json.dumps(definition))
    with pytest.raises(ConfigurationError, match="has no end of sequence to append"):
        load_tokenizer(tmp_path).encode("a", eos=True)


@pytest.mark.parametrize("text", ["ab\ud800", "\udc00"])
def test_half_a_surrogate_pair(loaded: dict[str, Tokenizer], text: str) -> None:
    at = len(text) - 1
    for tokenizer in loaded.values():
        with pytest.raises(InputError, match=rf"character {at} is U\+D[8C]00, half of a surrogate"):
            tokenizer.encode(text)
        with pytest.raises(InputError, match=rf"character {at} of text 1 is"):
            tokenizer.encode_batch(["fine", text])
        with pytest.raises(InputError, match="half of a surrogate"):
            tokenizer.spans(text)


def test_vocabularies(loaded: dict[str, Tokenizer]) -> None:
    t5, llama, bpe = (loaded[name].vocabulary() for name in ("t5", "llama", "bpe"))
    assert t5.folds
    assert not llama.folds
    assert not bpe.folds
    assert (t5.eos, llama.eos, bpe.eos) == (1, 2, 0)
    assert t5.flags[:3].tolist() == [SPECIAL, SPECIAL, UNKNOWN]
    assert (t5.flags[-100:] == SPECIAL).all()  # the extra ids
    assert [t5.piece(i) for i in (0, 1, 2, len(t5) - 1)] == [b""] * 4
    newlines = [llama.flags[i] for i in range(len(llama)) if llama.piece(i) == b"\n"]
    assert sorted(newlines) == [0, BYTE]  # the character has a piece of its own here
    spaces = [llama.flags[i] for i in range(len(llama)) if llama.piece(i) == b" "]
    assert sorted(spaces) == [MARKER | BARE, BYTE]
    marked = [i for i in range(len(bpe)) if bpe.flags[i] & MARKER]
    assert marked
    assert all(bpe.piece(i).startswith(b" ") for i in marked)
    assert sorted(bpe.piece(i) for i in range(1, 257)) == [bytes([byte]) for byte in range(256)]


def test_added_tokens_that_are_text(tmp_path: Path) -> None:
    backend = byte_level()
    backend.add_tokens(["   "])
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path)
    ids = tokenizer.encode("a   b")
    assert tokenizer.size - 1 in ids
    assert b"".join(tokenizer.pieces(ids)) == b"a   b"
    assert tokenizer.vocabulary().flags[-1] == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_saved_and_read_again(tmp_path: Path, loaded: dict[str, Tokenizer], family: str) -> None:
    tokenizer = loaded[family]
    tokenizer.save(tmp_path / "saved")
    again = load_tokenizer(tmp_path / "saved")
    assert (again.fingerprint, again.size) == (tokenizer.fingerprint, tokenizer.size)
    assert (again.eos, again.pad, again.unk) == (tokenizer.eos, tokenizer.pad, tokenizer.unk)
    for text in [*CORPUS, *LOOK_ALIKES]:
        assert again.encode(text) == tokenizer.encode(text)
    vocabularies = again.vocabulary(), tokenizer.vocabulary()
    assert np.array_equal(vocabularies[0].flags, vocabularies[1].flags)
    assert np.array_equal(vocabularies[0].data, vocabularies[1].data)


def test_fingerprints_tell_behaviour_not_names(tmp_path: Path, folder: Path) -> None:
    original = load_tokenizer(folder / "bpe")
    named = json.loads((folder / "bpe" / "tokenizer.json").read_text())
    (tmp_path / "copy.json").write_text(json.dumps({**named, "padding": None}, indent=2))
    assert load_tokenizer(tmp_path / "copy.json").fingerprint == original.fingerprint
    assert load_tokenizer(tmp_path / "copy.json").name == f"{tmp_path.name}/copy.json"
    named["pre_tokenizer"]["add_prefix_space"] = True
    (tmp_path / "other.json").write_text(json.dumps(named))
    assert load_tokenizer(tmp_path / "other.json").fingerprint != original.fingerprint


def test_the_files_pre_tokenizer_is_kept(tmp_path: Path, folder: Path) -> None:
    """A configuration that names a model family must not change how text splits."""
    (tmp_path / "tokenizer.json").write_bytes((folder / "bpe" / "tokenizer.json").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2", "eos_token_id": 0}))
    tokenizer = load_tokenizer(tmp_path)
    plain = Backend.from_file(str(tmp_path / "tokenizer.json"))
    for text in CORPUS:
        assert tokenizer.encode(text) == plain.encode(text).ids


@pytest.mark.parametrize(
    ("files", "eos", "pad"),
    [
        ({}, 1, 0),
        ({"tokenizer_config.json": {"eos_token": {"content": "<pad>"}, "pad_token": "</s>"}}, 0, 1),
        ({"special_tokens_map.json": {"eos_token": "<pad>"}}, 0, 0),
        ({"config.json": {"eos_token_id": 5, "pad_token_id": None}}, 5, 0),
        ({"tokenizer_config.json": {"eos_token": "absent"}, "config.json": [1]}, 1, 0),
    ],
)
def test_roles(tmp_path: Path, files: dict[str, object], eos: int, pad: int) -> None:
    unigram().save(str(tmp_path / "tokenizer.json"))
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    tokenizer = load_tokenizer(tmp_path)
    assert (tokenizer.eos, tokenizer.pad) == (eos, pad)


def test_extra_ids(tmp_path: Path, folder: Path) -> None:
    model = (folder / "t5" / "spiece.model").read_bytes()
    own = load_tokenizer(folder / "t5" / "spiece.model", extra_ids=0).size
    (tmp_path / "spiece.model").write_bytes(model)
    assert load_tokenizer(tmp_path).size == own + 100
    (tmp_path / "config.json").write_text('{"model_type": "mt5"}')
    assert load_tokenizer(tmp_path).size == own
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    assert load_tokenizer(tmp_path / "spiece.model").size == own + 100
    assert load_tokenizer(tmp_path, extra_ids=3).size == own + 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", b"{", "is not a tokenizer.json"),
        ("tokenizer.json", b'{"version": "1.0"}', "is not a tokenizer.json"),
        ("tokenizer.json", b"\xff\xfe", "is not a tokenizer.json"),
        ("spiece.model", b"not a model", "is not a"),
        ("spiece.model", b"", "is not a Unigram or BPE model"),
        ("p50k_base.tiktoken", b"IQ== 0\nIg==\n", "line 2 is not 'base64 rank': 'Ig=='"),
        ("p50k_base.tiktoken", b"I! 0\n", "line 1 is not 'base64 rank'"),
        ("mine.tiktoken", b"IQ== 0\n", r"no encoding is known by the name 'mine', only \['cl100k"),
        ("weights.bin", b"", "holds no tokenizer: none of tokenizer.json"),
    ],
)
def test_what_is_no_tokenizer(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_tokenizer(tmp_path)


def test_a_pair_that_does_not_fit(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "vocab.json").write_bytes((folder / "gpt2" / "vocab.json").read_bytes())
    (tmp_path / "merges.txt").write_text("#version: 0.2\nQ Z\n")
    with pytest.raises(InputError, match=r"merge 0 \['Q', 'Z'\] is not two tokens of"):
        load_tokenizer(tmp_path)
    (tmp_path / "vocab.json").write_text("[")
    with pytest.raises(InputError, match="is not what it should be"):
        load_tokenizer(tmp_path)


def test_a_family_that_does_not_spell(tmp_path: Path) -> None:
    backend = Backend(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError, match="WordLevel tokenizer without ByteLevel or Metaspace"):
        load_tokenizer(tmp_path)


def test_cl100k_splits_otherwise(tmp_path: Path) -> None:
    """Three digits at most in a piece, and a letter may take any sign before it."""
    joined = [b"12", b"123", b"1234", b"(a", b" a", b"\n\n", b".\n"]
    tokens = [*(bytes([byte]) for byte in range(256)), *joined]
    lines = [f"{base64.b64encode(token).decode()} {rank}" for rank, token in enumerate(tokens)]
    (tmp_path / "cl100k_base.tiktoken").write_text("\n".join(lines))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.pieces(tokenizer.encode("1234(a a.\n\n\nb")) == [
        b"123", b"4", b"(a", b" a", b".", b"\n\n", b"\n", b"b",
    ]  # fmt: skip
    assert (tokenizer.eos, tokenizer.size) == (100_257, 100_277)


def test_missing_paths() -> None:
    for missing in (Path("no/such"), "/no/such/place", "./no", "no/such/place", "no such"):
        with pytest.raises(InputError, match="there is no such file or directory"):
            load_tokenizer(missing)


def test_the_hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    asked: list[tuple[str, str | None]] = []

    def local_hub(repository: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repository, revision))
        assert "tokenizer.json" in allow_patterns
        assert not any(pattern.endswith((".bin", ".safetensors")) for pattern in allow_patterns)
        return str(folder / "t5")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", local_hub)
    tokenizer = load_tokenizer("someone/some-t5", revision="abc")
    assert asked == [("someone/some-t5", "abc")]
    assert (tokenizer.name, tokenizer.eos) == ("someone/some-t5", 1)


def test_a_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise ConnectionError("could not connect\nto the hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(InputError, match="some/model is no local path, and the hub does not give"):
        load_tokenizer("some/model")
