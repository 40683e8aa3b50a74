"""A model of the transformers library as a GGUF file, and a real llama.cpp server on it.

    path = write_gguf(toys.llama(), folder / "toy.gguf")
    with serve(path) as url: ...

The server runs in a process of its own (``scripts/experiments/llama_server.py``), and its numbers
are those of float32 arithmetic.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig

SERVER = Path(__file__).parents[2] / "scripts" / "experiments" / "llama_server.py"


def write_gguf(
    model_path: Path,
    path: Path,
    *,
    template: str | None = None,
    stored: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    pre: str = "gpt-2",
    without: str | None = None,
    extra: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """The Llama or GPT-2 and the byte-level tokenizer in ``model_path``.

    Args:
        template: of its chat, in Jinja.
        stored: the type of matrices whose rows are whole blocks of it; the rest is in float32.
        pre: the word for how a text is split.
        without: a tensor that is left out.
        extra: further tensors.
    """
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    config = model.config
    writer = gguf.GGUFWriter(str(path), config.model_type)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, model_path, pre)
    if template is not None:
        writer.add_chat_template(template)
    if config.model_type == "llama":
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_rope_dimension_count(config.head_dim)
        writer.add_rope_freq_base(float(config.rope_parameters["rope_theta"]))
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    else:
        writer.add_feed_forward_length(config.n_inner or 4 * config.n_embd)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    for name, tensor in model.state_dict().items():
        if _tensor_name(name) != without:
            _add_tensor(writer, _tensor_name(name), _values(name, tensor.numpy(), config), stored)
    for name, values in (extra or {}).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tensor(
    writer: gguf.GGUFWriter, name: str, values: np.ndarray, stored: gguf.GGMLQuantizationType
) -> None:
    block, _ = gguf.GGML_QUANT_SIZES[stored]
    if values.ndim < 2 or values.shape[1] % block:
        stored = gguf.GGMLQuantizationType.F32
    writer.add_tensor(name, gguf.quants.quantize(values, stored), raw_dtype=stored)


def _values(name: str, values: np.ndarray, config: PreTrainedConfig) -> np.ndarray:
    """Weights in the order of the file: outputs first, rotary pairs side by side."""
    if "q_proj" in name:
        values = _interleaved(values, config.num_attention_heads)
    elif "k_proj" in name:
        values = _interleaved(values, config.num_key_value_heads)
    elif name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        values = values.T
    return np.ascontiguousarray(values)


def _add_tokenizer(writer: gguf.GGUFWriter, model_path: Path, pre: str) -> None:
    definition = json.loads((model_path / "tokenizer.json").read_text("utf-8"))
    added = {token["content"]: token["id"] for token in definition["added_tokens"]}
    vocabulary = {**definition["model"]["vocab"], **added}
    config = json.loads((model_path / "config.json").read_text("utf-8"))
    names = {token: piece for piece, token in vocabulary.items()}
    pieces = [names.get(token, f"[unused {token}]") for token in range(config["vocab_size"])]
    merges = [m if isinstance(m, str) else " ".join(m) for m in definition["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(pieces)
    writer.add_token_types([1 if p in vocabulary and p not in added else 3 for p in pieces])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(config["model_type"] == "llama")


def _interleaved(weights: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a projection in the order in which llama.cpp turns them: pairs side by side."""
    rows, width = weights.shape
    return weights.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width)


def _tensor_name(name: str) -> str:
    names = {
        "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm", "model.layers.": "blk.",
        "transformer.wte": "token_embd", "transformer.wpe": "position_embd",
        "transformer.ln_f": "output_norm", "transformer.h.": "blk.", "attn.c_attn": "attn_qkv",
        "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
        "ln_1": "attn_norm", "ln_2": "ffn_norm",
    }  # fmt: skip
    for ours, theirs in names.items():
        name = name.replace(ours, theirs)
    return name


@contextlib.contextmanager
def serve(path: Path) -> Iterator[str]:
    """The address of a server on the file at ``path``."""
    command = [sys.executable, str(SERVER), str(path)]
    log = path.with_suffix(".log").open("w")
    with (
        log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            for line in process.stdout:
                if line.startswith("listening"):
                    yield line.split()[1]
                    break
            else:
                raise RuntimeError(path.with_suffix(".log").read_text()[-2000:])
        finally:
            process.kill()
