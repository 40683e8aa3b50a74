"""A vocabulary without its family's pattern is read as the family's, or refused by what it is."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import regex
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

from align.pieces import CHARACTER_OF
from align.vocabulary import SPECIAL
from specialize.errors import InputError
from specialize.tokens import Tokenizer, load_tokenizer
from specialize.tokens.families import CL100K_SPLIT, GPT2_SPLIT, O200K_SPLIT, QWEN_SPLIT
from tests.reference.tokens import encode_part

CORPUS = [
    "It's 1234 HELLO World12, don't. DON'T!\n\n  Naïve café 20,000\r\n",
    "She'll earn 123456 in 2024; HTTPServer's camelCase /path//to\n/x 你好",
    "x = y / 2 ** 3  # 50%\n\n\n\tdef f(): return '1999'",
]
TEXTS = [*CORPUS, "12 34 567 8901", "WE'RE I'm iPhone'S", "", " ", "a\n\nb", "e\u0301 12"]


def trained(size: int = 420) -> Backend:
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    backend.train_from_iterator([text + " 12 123 1234" for text in CORPUS] * 10, trainer)
    return backend


def ranks_of(backend: Backend) -> dict[bytes, int]:
    values = {character: byte for byte, character in CHARACTER_OF.items()}
    return {
        bytes(values[character] for character in token): rank
        for token, rank in backend.get_vocab().items()
    }


def write_ranks(path: Path, ranks: dict[bytes, int], *, more: int = 0) -> Path:
    """The ranks as a file, with so many ``more`` that no text reaches."""
    lines = [f"{base64.b64encode(t).decode()} {r}" for t, r in sorted(ranks.items(), key=_rank)]
    lines += [
        f"{base64.b64encode(b'%%%%' + str(i).encode()).decode()} {len(ranks) + i}"
        for i in range(more)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def _rank(entry: tuple[bytes, int]) -> int:
    return entry[1]


@pytest.fixture(scope="module")
def backend() -> Backend:
    return trained()


@pytest.fixture(scope="module")
def ranks(backend: Backend) -> dict[bytes, int]:
    return ranks_of(backend)


def by_hand(text: str, ranks: dict[bytes, int], split: str) -> list[int]:
    parts = [match.group() for match in regex.finditer(split, text)]
    assert "".join(parts) == text
    return [i for part in parts for i in encode_part(part.encode(), ranks)]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("r50k_base.tiktoken", GPT2_SPLIT),
        ("p50k_base.tiktoken", GPT2_SPLIT),
        ("p50k_edit.tiktoken", GPT2_SPLIT),
        ("cl100k_base.tiktoken", CL100K_SPLIT),
        ("o200k_base.tiktoken", O200K_SPLIT),
        ("qwen.tiktoken", QWEN_SPLIT),
        ("tokenizer.model", CL100K_SPLIT),
    ],
)
def test_rank_files_split_as_their_family(
    tmp_path: Path, ranks: dict[bytes, int], name: str, split: str
) -> None:
    path = write_ranks(tmp_path / name, ranks)
    for tokenizer in (load_tokenizer(path), load_tokenizer(tmp_path)):
        for text in TEXTS:
            composed = text.replace("e\u0301", "é") if name == "qwen.tiktoken" else text
            assert tokenizer.encode(text) == by_hand(composed, ranks, split)


@pytest.mark.parametrize(
    ("text", "gpt2", "cl100k", "o200k", "qwen"),
    [
        ("1234", ["1234"], ["123", "4"], ["123", "4"], ["1", "2", "3", "4"]),
        ("DON'T", ["DON", "'", "T"], ["DON", "'T"], ["DON'T"], ["DON", "'T"]),
        ("camelCase", ["camelCase"], ["camelCase"], ["camel", "Case"], ["camelCase"]),
        ("a/\n/b", ["a", "/", "\n", "/", "b"], ["a", "/\n", "/b"], ["a", "/\n/", "b"],
         ["a", "/\n", "/b"]),
    ],
)  # fmt: skip
def test_the_published_patterns(
    text: str, gpt2: list[str], cl100k: list[str], o200k: list[str], qwen: list[str]
) -> None:
    patterns = (GPT2_SPLIT, CL100K_SPLIT, O200K_SPLIT, QWEN_SPLIT)
    for pattern, parts in zip(patterns, (gpt2, cl100k, o200k, qwen), strict=True):
        assert [match.group() for match in regex.finditer(pattern, text)] == parts


def test_llama_three_has_its_specials(tmp_path: Path, ranks: dict[bytes, int]) -> None:
    tokenizer = load_tokenizer(write_ranks(tmp_path / "tokenizer.model", ranks))
    first = len(ranks)
    special = tokenizer.special_tokens()
    assert (special["<|begin_of_text|>"], special["<|end_of_text|>"]) == (first, first + 1)
    assert (special["<|start_header_id|>"], special["<|eot_id|>"]) == (first + 6, first + 9)
    assert (len(special), tokenizer.size) == (256, first + 256)
    assert tokenizer.front == (first,)
    assert tokenizer.eos == first + 1
    assert {first + 1, first + 8, first + 9} == {*tokenizer.ends}


def test_qwen_has_its_specials(tmp_path: Path, ranks: dict[bytes, int]) -> None:
    tokenizer = load_tokenizer(write_ranks(tmp_path / "qwen.tiktoken", ranks))
    special = tokenizer.special_tokens()
    assert special["<|endoftext|>"] == tokenizer.eos == 151_643
    assert (special["<|im_end|>"], special["<|extra_204|>"]) == (151_645, 151_850)
    assert tokenizer.ends == (151_643, 151_645)


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        ("p50k_base.tiktoken", 100_256, "holds 100,256, those of cl100k_base"),
        ("p50k_base.tiktoken", 50_256, "holds 50,256, those of gpt2 or r50k_base"),
        ("r50k_base.tiktoken", 50_280, "holds 50,280, those of p50k_base or p50k_edit"),
        ("cl100k_base.tiktoken", 199_998, "holds 199,998, those of o200k_base"),
        ("cl100k_base.tiktoken", 128_000, "those of Llama 3's tokenizer.model"),
        ("qwen.tiktoken", 160_000, "holds 160,000, not that encoding's"),
        ("tokenizer.model", 100_256, "is a rank file with 100,256 tokens; of those"),
        ("tokenizer.model", 200_000, "only Llama 3's, with 128,000, is known"),
        ("mine.tiktoken", 420, "no encoding is known by the name 'mine'"),
    ],
)
def test_ranks_under_the_name_of_another_encoding(
    tmp_path: Path, ranks: dict[bytes, int], name: str, count: int, message: str
) -> None:
    path = write_ranks(tmp_path / name, ranks, more=count - len(ranks))
    with pytest.raises(InputError, match=message):
        load_tokenizer(path)


def test_special_ids_never_overwrite_tokens(tmp_path: Path, ranks: dict[bytes, int]) -> None:
    moved = dict(ranks)
    moved[b"never"] = 100_257
    with pytest.raises(InputError, match="not that encoding's"):
        load_tokenizer(write_ranks(tmp_path / "cl100k_base.tiktoken", moved))


@pytest.mark.parametrize("name", ["tekken.json", "tekken_240718.json", "tekken_240911.json"])
def test_tekken_under_its_own_names(tmp_path: Path, ranks: dict[bytes, int], name: str) -> None:
    entries = [
        {"rank": rank, "token_bytes": base64.b64encode(token).decode()}
        for token, rank in sorted(ranks.items(), key=_rank)
    ]
    config = {
        "pattern": O200K_SPLIT, "default_num_special_tokens": 5,
        "default_vocab_size": 5 + len(ranks),
    }  # fmt: skip
    (tmp_path / name).write_text(json.dumps({"config": config, "vocab": entries}))
    for tokenizer in (load_tokenizer(tmp_path / name), load_tokenizer(tmp_path)):
        assert tokenizer.encode(CORPUS[0]) == [
            5 + i for i in by_hand(CORPUS[0], ranks, O200K_SPLIT)
        ]
        assert tokenizer.special_tokens()["</s>"] == tokenizer.eos == 2


@pytest.mark.realdata
def test_sentencepiece_under_versioned_names(data_dir: Path, tmp_path: Path) -> None:
    source = data_dir / "tokenizers" / "mistral" / "tokenizer.model.v1"
    expected = load_tokenizer(source)
    names = ["tokenizer.model.v3", "mistral_instruct_tokenizer_240323.model.v3", "mine.model.v2"]
    for name in names:
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_bytes(source.read_bytes())
        for place in (folder, folder / name):
            assert load_tokenizer(place).fingerprint == expected.fingerprint, name


# ---- vocab.json and merges.txt -----------------------------------------------------------------


def write_pair(
    folder: Path, backend: Backend, extra: dict[str, int], **configurations: dict[str, object]
) -> Path:
    """The two files, with ``extra`` tokens in the vocabulary, and configurations by their names."""
    folder.mkdir(parents=True, exist_ok=True)
    backend.model.save(str(folder))
    vocabulary = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").write_text(json.dumps(vocabulary | extra))
    for name, content in configurations.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def theirs(folder: Path, text: str) -> list[int]:
    """The ids of the family's own library."""
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return ids


QWEN2 = {
    "tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
    "added_tokens_decoder": {
        str(420 + i): {"content": content, "special": True}
        for i, content in enumerate(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    },
}  # fmt: skip
OPT = {
    "tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, "bos_token": "</s>",
    "eos_token": {"content": "</s>", "__type": "AddedToken"}, "unk_token": "</s>",
    "pad_token": "<pad>",
}  # fmt: skip


def test_qwen2_splits_digits(tmp_path: Path, backend: Backend, ranks: dict[bytes, int]) -> None:
    folder = write_pair(tmp_path, backend, {}, tokenizer_config=QWEN2)
    tokenizer = load_tokenizer(folder)
    for text in TEXTS:
        assert tokenizer.encode(text) == by_hand(text.replace("e\u0301", "é"), ranks, QWEN_SPLIT)
        assert tokenizer.encode(text) == theirs(folder, text)
    assert (tokenizer.eos, tokenizer.pad, tokenizer.size) == (422, 420, 423)
    assert len(tokenizer.encode("<|im_end|>")) > 1


def test_opt_has_its_end(tmp_path: Path, backend: Backend, ranks: dict[bytes, int]) -> None:
    extra = {"<s>": 420, "<pad>": 421, "</s>": 422}
    folder = write_pair(
        tmp_path, backend, extra, tokenizer_config=OPT, config={"model_type": "opt"}
    )
    tokenizer = load_tokenizer(folder)
    assert (tokenizer.eos, tokenizer.pad, tokenizer.front) == (422, 421, (422,))
    assert tokenizer.vocabulary().flags[[421, 422]].tolist() == [SPECIAL] * 2
    assert tokenizer.vocabulary().piece(422) == b""
    for text in TEXTS:
        assert tokenizer.encode(text) == by_hand(text, ranks, GPT2_SPLIT) == theirs(folder, text)
    assert 422 not in tokenizer.encode("a</s>b")


@pytest.mark.parametrize(
    ("configurations", "split"),
    [
        ({"config": {"model_type": "qwen3"}}, QWEN_SPLIT),
        ({"tokenizer_config": {"tokenizer_class": "Qwen2TokenizerFast"}}, QWEN_SPLIT),
        ({"config": {"model_type": "gpt2"}}, GPT2_SPLIT),
        ({"tokenizer_config": {"tokenizer_class": "GPT2Tokenizer"}}, GPT2_SPLIT),
        ({"config": {"model_type": "roberta"}}, GPT2_SPLIT),
        ({"config": {"model_type": "new"}, "tokenizer_config":
          {"tokenizer_class": "Qwen2Tokenizer"}}, QWEN_SPLIT),
    ],
)  # fmt: skip
def test_the_family_is_that_of_the_configuration(
    tmp_path: Path, backend: Backend, ranks: dict[bytes, int],
    configurations: dict[str, dict[str, object]], split: str,
) -> None:  # fmt: skip
    tokenizer = load_tokenizer(write_pair(tmp_path, backend, {}, **configurations))
    assert tokenizer.encode(CORPUS[0]) == by_hand(CORPUS[0], ranks, split)


@pytest.mark.parametrize(
    ("extra", "configurations", "message"),
    [
        ({}, {}, "and no configuration beside it"),
        ({"<|endoftext|>": 420, "<fim_prefix>": 421}, {}, "and no configuration beside it"),
        ({"</s>": 420}, {}, "and no configuration beside it"),
        ({}, {"config": {"model_type": "starcoder2"}}, "says 'starcoder2'"),
        ({"<|endoftext|>": 420}, {"tokenizer_config":
          {"tokenizer_class": "PreTrainedTokenizerFast"}}, "says 'PreTrainedTokenizerFast'"),
    ],
)  # fmt: skip
def test_an_unknown_family_is_refused(
    tmp_path: Path, backend: Backend, extra: dict[str, int],
    configurations: dict[str, dict[str, object]], message: str,
) -> None:  # fmt: skip
    folder = write_pair(tmp_path, backend, extra, **configurations)
    with pytest.raises(InputError, match=message):
        load_tokenizer(folder)


def test_gpt2_is_known_by_its_one_special_token(
    tmp_path: Path, backend: Backend, ranks: dict[bytes, int]
) -> None:
    tokenizer: Tokenizer = load_tokenizer(write_pair(tmp_path, backend, {"<|endoftext|>": 420}))
    assert tokenizer.encode(CORPUS[0]) == by_hand(CORPUS[0], ranks, GPT2_SPLIT)
    assert tokenizer.eos == 420


@pytest.mark.realdata
def test_qwen2_and_gpt2_differ_on_solutions(data_dir: Path, tmp_path: Path) -> None:
    """GPT-2's own files under Qwen2's configuration: numbers fall into digits."""
    source = data_dir / "tokenizers" / "gpt2"
    for name, target in (("encoder.json", "vocab.json"), ("vocab.bpe", "merges.txt")):
        (tmp_path / target).write_bytes((source / name).read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "Qwen2Tokenizer"}')
    plain, split = load_tokenizer(source), load_tokenizer(tmp_path)
    lines = (data_dir / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["answer"] for line in lines[:200]]
    differ = sum(plain.encode(text) != split.encode(text) for text in texts)
    assert differ > 100
    assert plain.special_tokens() == {"<|endoftext|>": 50256}
