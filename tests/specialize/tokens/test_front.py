"""The ids before a text are those that the tokenizer's own library puts there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import sentencepiece
from tokenizers import Tokenizer as Backend
from transformers import AutoTokenizer

from specialize.tokens import load_tokenizer
from specialize.tokens.front import first_ids, template_of

MODELS = Path(__file__).parents[3] / "specialize" / "quickstart" / "models"
TEXTS = (
    "She earns $12 an hour.",
    "Q: How many?\nA: Let's think step by step.\n",
    " two  spaces, a tab\t and ünïcode",
    "</s> and <|endoftext|> in a text",
)


def bos(token: str, number: int) -> dict[str, object]:
    return {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": token, "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [
            {"Sequence": {"id": "A", "type_id": 0}},
            {"Sequence": {"id": "B", "type_id": 0}},
        ],
        "special_tokens": {token: {"id": token, "ids": [number], "tokens": [token]}},
    }


BYTE_LEVEL = {
    "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True
}  # fmt: skip


@pytest.mark.parametrize(
    ("post_processor", "front"),
    [
        (None, ()),
        (BYTE_LEVEL, ()),
        (template_of(()), ()),
        (template_of((7,)), (7,)),
        (template_of((7, 9)), (7, 9)),
        (bos("<s>", 1), (1,)),
        (bos("a", 0), (0,)),
        ({"type": "Sequence", "processors": [BYTE_LEVEL, bos("<b>", 128000)]}, (128000,)),
        (
            {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
             "trim_offsets": True, "add_prefix_space": False},
            (0,),
        ),
        ({"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]}, (101,)),
        (
            {"type": "TemplateProcessing",
             "single": [{"Sequence": {"id": "A", "type_id": 0}},
                        {"SpecialToken": {"id": "</s>", "type_id": 0}}],
             "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                      {"Sequence": {"id": "B", "type_id": 0}}],
             "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
            (),
        ),
    ],
)  # fmt: skip
def test_what_a_post_processor_puts_in_front(post_processor: object, front: tuple[int, ...]):
    assert first_ids(post_processor) == front


@pytest.mark.parametrize(
    ("name", "front"), [("student", ()), ("teacher", ()), ("second_teacher", (1,))]
)
def test_bundled_tokenizers(name: str, front: tuple[int, ...], tmp_path: Path) -> None:
    tokenizer = load_tokenizer(MODELS / name)
    assert tokenizer.front == front
    alone = tokenizer.encode_batch(TEXTS)
    assert tokenizer.encode_prompts(TEXTS) == [[*front, *ids] for ids in alone]
    ended = tokenizer.encode_prompts(TEXTS[:1], eos=True)
    assert ended == [[*front, *alone[0], tokenizer.eos]]
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert (again.front, again.fingerprint) == (front, tokenizer.fingerprint)
    backend = Backend.from_file(str(tmp_path / "tokenizer.json"))
    framed = backend.encode(TEXTS[0]).ids
    assert framed[: len(front) + 1] == [*front, alone[0][0]]


@pytest.mark.parametrize("said", [True, False])
def test_a_model_file_obeys_the_configuration_beside_it(said: bool, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(MODELS / "second_teacher", source)
    path = source / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"add_bos_token": said}))
    tokenizer = load_tokenizer(source)
    assert tokenizer.front == ((1,) if said else ())
    tokenizer.save(tmp_path / "saved")
    assert load_tokenizer(tmp_path / "saved").front == tokenizer.front
    # beside a tokenizer.json the transformers library leaves the key out of account, and so do we
    path.replace(tmp_path / "saved" / "tokenizer_config.json")
    assert load_tokenizer(tmp_path / "saved").front == tokenizer.front
    path.write_text("{}")
    assert load_tokenizer(source).front == (1,)  # what Llama, Mistral and Gemma were trained with


FAMILIES = {
    "llama": {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "bos_token": "<s>",
              "eos_token": "</s>", "unk_token": "<unk>"},
    "llama-bare": {"tokenizer_class": "LlamaTokenizer", "add_bos_token": False, "bos_token": "<s>",
                   "eos_token": "</s>", "unk_token": "<unk>"},
    "gpt2": {"tokenizer_class": "GPT2Tokenizer"},
    "gpt2-begun": {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True,
                   "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"},
    "neox": {"tokenizer_class": "GPTNeoXTokenizer", "eos_token": "<|endoftext|>"},
    "t5": {"tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "pad_token": "<pad>"},
}  # fmt: skip
FILES = {
    "llama": {"tokenizer.model": "mistral/tokenizer.model.v1"},
    "llama-bare": {"tokenizer.model": "mistral/tokenizer.model.v1"},
    "gpt2": {"vocab.json": "gpt2/encoder.json", "merges.txt": "gpt2/vocab.bpe"},
    "gpt2-begun": {"vocab.json": "gpt2/encoder.json", "merges.txt": "gpt2/vocab.bpe"},
    "neox": {"tokenizer.json": "neox/20B_tokenizer.json"},
    "t5": {"spiece.model": "t5/spiece.model", "config.json": "t5/flan-t5-base-config.json"},
}


@pytest.mark.realdata
@pytest.mark.parametrize("family", sorted(FILES))
def test_prompts_of_public_tokenizers(family: str, data_dir: Path, tmp_path: Path) -> None:
    for name, source in FILES[family].items():
        shutil.copyfile(data_dir / "tokenizers" / source, tmp_path / name)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(FAMILIES[family]))
    theirs, ours = AutoTokenizer.from_pretrained(tmp_path), load_tokenizer(tmp_path)
    lines = (data_dir / "gsm8k" / "test.jsonl").read_text().splitlines()[:50]
    prompts = ["", *(f"Q: {json.loads(line)['question']}\nA:" for line in lines)]
    if family.startswith("llama"):  # transformers merges otherwise than SentencePiece (below)
        prompts = ["", "She earns 12."]
    assert ours.encode_prompts(prompts, eos=family == "t5") == theirs(prompts).input_ids


@pytest.mark.realdata
def test_prompts_of_a_lone_sentencepiece_model(data_dir: Path) -> None:
    path = data_dir / "tokenizers" / "mistral" / "tokenizer.model.v1"
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    lines = (data_dir / "gsm8k" / "test.jsonl").read_text().splitlines()[:50]
    texts = [*TEXTS[:3], *(json.loads(line)["question"] for line in lines)]
    wanted = [model.encode(text, add_bos=True) for text in texts]
    assert load_tokenizer(path).encode_prompts(texts) == wanted


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["gpt2", "neox", "t5", "tiktoken"])
def test_these_put_nothing_in_front(name: str, data_dir: Path) -> None:
    assert load_tokenizer(data_dir / "tokenizers" / name).front == ()
