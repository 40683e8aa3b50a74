"""The requests and answers of each kind of server; a ``Dialect`` has all of one kind.

kind           sampling                       scoring
vllm           /v1/completions                prompt_logprobs of the same
vllm-tokens    /inference/v1/generate         prompt_logprobs of the same
sglang         /generate                      input_top_logprobs of the same
llama.cpp      /completion                    the same, the tokens forced
openai         /v1/completions                none
openai-chat    /v1/chat/completions           none
vllm-chat      the same, tokens as ids        none
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from specialize.config.recipe import ServerKind
from specialize.teacher.served.dialects.dialect import Dialect, Speaker
from specialize.teacher.served.dialects.llama_cpp import LlamaCpp
from specialize.teacher.served.dialects.openai import OpenAI
from specialize.teacher.served.dialects.sglang import SGLang
from specialize.teacher.served.dialects.vllm import Vllm

DIALECTS: Mapping[ServerKind, Callable[[Speaker], Dialect]] = {
    "vllm": Vllm,
    "vllm-tokens": partial(Vllm, ids_alone=True),
    "sglang": SGLang,
    "llama.cpp": LlamaCpp,
    "openai": OpenAI,
    "openai-chat": partial(OpenAI, chat=True),
    "vllm-chat": partial(OpenAI, chat=True, by_id=True),
}

__all__ = ["DIALECTS", "Dialect", "Speaker"]
