"""A small Unigram tokenizer that folds whitespace, as T5's does."""

from __future__ import annotations

import json
from functools import cache

from specialize.tokens import Tokenizer, load_tokenizer
from specialize.tokens.definition import parse_definition
from specialize.tokens.tokenizer import build_tokenizer
from tests.support.teacher_toys import t5


def step(pattern: dict[str, str], content: str) -> dict[str, object]:
    return {"type": "Replace", "pattern": pattern, "content": content}


FOLDING = [
    step({"String": "\n"}, " "),
    step({"Regex": r"\A +| +\z"}, ""),
    step({"Regex": " {2,}"}, " "),
    {"type": "Prepend", "prepend": "\u2581"},
    step({"String": " "}, "\u2581"),
]


@cache
def folding_t5() -> Tokenizer:
    """The toy T5 tokenizer with T5's own normalizer in place of the toy's."""
    content = json.loads(load_tokenizer(t5())._backend.to_str())
    content["normalizer"] = {"type": "Sequence", "normalizers": FOLDING}
    content["pre_tokenizer"] = None
    definition = parse_definition(json.dumps(content).encode(), "toy")
    return build_tokenizer(definition, "toy", {"eos": 1, "pad": 0})
