"""A tokenizer from any published form: which files make one, and which tokens end and pad.

    tokenizer.json (or a directory with one)      the library's own form
    spiece.model, tokenizer.model, *.model.v1     SentencePiece
    encoder.json + vocab.bpe, vocab.json + merges.txt     GPT-2's pair
    p50k_base.tiktoken, tekken.json, Llama 3's tokenizer.model     ranks
    SmolLM2.gguf                                  the metadata of a model of llama.cpp
    google/flan-t5-base                           a repository on the hub that holds one of these

Where a directory holds several, the first of this list is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import huggingface_hub

from specialize.errors import InputError, first_line
from specialize.io.gguf_file import is_gguf
from specialize.tokens.byte_pairs import read_pair
from specialize.tokens.chat_template import read_chat_template, token_content
from specialize.tokens.definition import Definition, parse_definition
from specialize.tokens.ends import end_ids, template_end
from specialize.tokens.front import front_of
from specialize.tokens.json_files import read_object
from specialize.tokens.rank_files import holds_ranks, read_ranks, read_tekken
from specialize.tokens.tokenizer import Tokenizer, build_tokenizer

_PAIRS = (("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt"))
_SENTENCEPIECE = (
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "tokenizer.model.*",
    "*.model.v[0-9]*",
)
_WANTED = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json",
    "generation_config.json", "chat_template.jinja", "chat_template.json",
    *_SENTENCEPIECE, "*.tiktoken", "tekken*.json", *(name for pair in _PAIRS for name in pair),
)  # fmt: skip
_CHAT_ENDS = ("<|eot_id|>", "<|eom_id|>", "<|im_end|>")  # of Llama 3 and Qwen
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_T5 = ("t5", "longt5", "switch_transformers")
_T5_EXTRA_IDS = 100
# The names under which families keep their roles, when no configuration says it.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "bos": ("<s>", "<bos>", "<|begin_of_text|>"),
    "eos": ("</s>", "<|endoftext|>", "<eos>", "<|end_of_text|>", "<|im_end|>", "[EOS]"),
    "pad": ("<pad>", "<|padding|>", "<|pad|>", "[PAD]"),
}


def load_tokenizer(
    path_or_id: str | Path, *, revision: str | None = None, extra_ids: int | None = None
) -> Tokenizer:
    """The tokenizer in a file, a directory, or a repository on the hub.

    Args:
        path_or_id: see the list above.
        revision: of a repository; None: its main branch.
        extra_ids: sentinel tokens after a SentencePiece model's own pieces; None: 100 where a
            configuration beside the model says T5 (and for a lone ``spiece.model`` with T5's
            control pieces), else 0.

    Returns:
        A tokenizer that gives the same ids as the library the file is of.

    Raises:
        InputError: nothing readable there, or the hub cannot be reached.
    """
    path = Path(path_or_id)
    if is_gguf(path_or_id) and not path.is_dir():
        from specialize.tokens.gguf_tokenizer import load_gguf_tokenizer

        return load_gguf_tokenizer(path)
    if path.is_dir():
        return _from_directory(path, path.resolve().name, extra_ids)
    if path.is_file():
        name = f"{path.resolve().parent.name}/{path.name}"
        return _build(_read_file(path, extra_ids), path.parent, name, whole=_is_whole(path))
    if isinstance(path_or_id, Path) or not _REPOSITORY.fullmatch(path_or_id):
        raise InputError(f"no tokenizer at {path_or_id}: there is no such file or directory")
    return _from_directory(_download(path_or_id, revision), path_or_id, extra_ids)


def _download(repository: str, revision: str | None) -> Path:
    try:
        return Path(
            huggingface_hub.snapshot_download(
                repository, revision=revision, allow_patterns=list(_WANTED)
            )
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"{repository} is no local path, and the hub does not give it: "
            f"{first_line(error)}; "
            f"name a local directory, or check the name and the connection"
        ) from error


def _from_directory(directory: Path, name: str, extra_ids: int | None) -> Tokenizer:
    for candidate in ("tokenizer.json", "tekken*.json", *_SENTENCEPIECE):
        for path in sorted(directory.glob(candidate)):
            return _build(_read_file(path, extra_ids), directory, name, whole=_is_whole(path))
    for vocabulary, merges in _PAIRS:
        if (directory / vocabulary).is_file() and (directory / merges).is_file():
            pair = read_pair(directory / vocabulary, directory / merges)
            return _build(pair, directory, name)
    for path in sorted(directory.glob("*.tiktoken")):
        return _build(read_ranks(path), directory, name)
    for path in sorted(directory.glob("*tokenizer*.json")):
        if path.name != "tokenizer_config.json":
            return _build(_read_file(path, extra_ids), directory, name, whole=True)
    raise InputError(f"{directory} holds no tokenizer: none of {', '.join(_WANTED)} is there")


def _is_whole(path: Path) -> bool:
    """Whether a file is the library's own form."""
    return path.suffix == ".json" and not path.name.startswith("tekken")


def _read_file(path: Path, extra_ids: int | None) -> Definition:
    if path.suffix == ".json":
        if path.name.startswith("tekken"):
            return read_tekken(path)
        return parse_definition(path.read_bytes(), str(path))
    if path.suffix == ".tiktoken" or (".model" in path.name and holds_ranks(path)):
        return read_ranks(path)
    if ".model" in path.name:
        from specialize.tokens.sentencepiece_model import read_sentencepiece

        if extra_ids is None:
            extra_ids = _T5_EXTRA_IDS if _says_t5(path) else 0
        return read_sentencepiece(path, extra_ids=extra_ids)
    raise InputError(f"{path} is no tokenizer: its name is none of {', '.join(_WANTED)}")


def _says_t5(model: Path) -> bool:
    """A configuration beside ``model`` says it; with none, the file's own name does."""
    configurations = [read_object(path) for path in sorted(model.parent.glob("*config.json"))]
    kinds = [c["model_type"] for c in configurations if isinstance(c.get("model_type"), str)]
    return any(kind in _T5 for kind in kinds) if kinds else model.name == "spiece.model"


def _build(definition: Definition, directory: Path, name: str, *, whole: bool = False) -> Tokenizer:
    """``whole``: the definition is the library's own form, a ``tokenizer.json``."""
    roles = _roles(definition, directory)
    written = {token.content: token.id for token in definition.added}
    eos = roles.get("eos")
    if eos is not None and eos in definition.written:
        written[definition.written[eos]] = eos
    names = {role: definition.written[i] for role, i in roles.items() if i in definition.written}
    chat = read_chat_template(directory, names)
    turn_end = template_end(chat, written)
    ends = end_ids(directory, eos, turn_end)
    if not whole:  # the file's own specials are known by the family's names alone
        ends = tuple(dict.fromkeys([*ends, *(written[n] for n in _CHAT_ENDS if n in written)]))
    front = front_of(
        definition.content["post_processor"],
        read_object(directory / "tokenizer_config.json"),
        roles.pop("bos", None),
        whole=whole,
    )
    special = roles | {"eos": ends[0]} if ends else roles
    return build_tokenizer(
        definition, name, special, ends=ends, front=front, chat=chat, turn_end=turn_end
    )


def _roles(definition: Definition, directory: Path) -> dict[str, int]:
    """The ids of the tokens that begin, end and pad: from the files beside, else by name."""
    ids = {piece: token for token, piece in definition.written.items()}
    special = {token.content for token in definition.added if token.special} & ids.keys()
    named = [
        read_object(directory / f) for f in ("tokenizer_config.json", "special_tokens_map.json")
    ]
    config = read_object(directory / "config.json")
    roles: dict[str, int] = {}
    for role, names in _NAMES.items():
        tokens = [token_content(file.get(f"{role}_token")) for file in named]
        found = [ids[token] for token in tokens if token in ids]
        if isinstance(number := config.get(f"{role}_token_id"), int):
            found.append(number)
        found += [ids[token] for token in names if token in special]
        if found:
            roles[role] = found[0]
    return roles
