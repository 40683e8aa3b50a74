"""Serves a GGUF file with llama.cpp (``xllamacpp``) so that its numbers are those of its weights.

    python scripts/experiments/llama_server.py FILE.gguf        -> listening http://127.0.0.1:PORT

Keys and values in float32, no flash attention, one thread. It ends with its standard input.
"""

from __future__ import annotations

import sys

import xllamacpp


def serve(path: str) -> xllamacpp.Server:
    """A server on a free port of this machine, under the name ``toy``."""
    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = path, ["toy"]
    params.n_ctx, params.n_parallel, params.n_batch, params.n_ubatch = 4096, 4, 512, 512
    params.kv_unified, params.n_threads_http = True, 32
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.port, params.ui, params.warmup, params.n_gpu_layers = 0, False, False, 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    server = serve(sys.argv[1])
    print("listening", server.listening_address, flush=True)
    sys.stdin.read()
