"""Files that DistillKit's own code writes, and what its own code reads in them, for the tests.

    python scripts/build/distillkit_files.py DISTILLKIT_CHECKOUT tests/data/distillkit

The bundled teacher's whole log-softmax of five texts of its own goes through DistillKit's
compressor, its parquet writer and its packer (``LogprobCompressor``, ``StreamingParquetWriter``,
``iterative_packing``): ``current`` with everything a configuration can ask for, ``packed`` as the
published sets, ``legacy`` with centred logits. ``expected.npz`` beside each has the rows as its
``decompress_to_sparse`` reads them. Made with arcee-ai/DistillKit a61c2e7 (2026-03-14).
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as parquet
import torch
import yaml
from transformers import AutoModelForCausalLM

from specialize.quickstart.run import MODELS

TEXTS, MAX_LENGTH, END = 5, 128, 0
CURRENT = {
    "d": 600, "k": 16, "exact_k": 3, "exact_dtype": "bfloat16", "polynomial_terms": [0, 1, "sqrt"],
    "term_dtype": "float32", "delta_encoding": True, "error_diffusion": True, "normalize_t": True,
    "residual_bins": [
        {"scale_dtype": "float16", "element_bits": 5, "num_elements": 6},
        {"scale_dtype": "float32", "element_bits": 1, "num_elements": 4},
    ],
}  # fmt: skip
PACKED = {
    "d": 600, "k": 16, "exact_k": 6, "exact_dtype": "float32", "polynomial_terms": [0, 1, 2],
    "term_dtype": "float32", "delta_encoding": True, "residual_bins": [],
}  # fmt: skip
LEGACY = {"vocab_size": 600, "k": 16, "exact_k": 4, "polynomial_degree": 3, "with_sqrt_term": True}


def main(checkout: Path, out: Path) -> None:
    """Write the three forms into ``out``."""
    sys.path.insert(0, str(checkout))
    kit = importlib.import_module("distillkit.compression")
    common = importlib.import_module("distillkit.sample_common")
    texts = logits_of_texts()
    for name, values in (("current", CURRENT), ("packed", PACKED), ("legacy", LEGACY)):
        folder = out / name
        if name == "legacy":
            config = kit.LegacyLogitCompressionConfig(**values)
            compressor = kit.LogprobCompressor(legacy_config=config)
            schema = common.legacy_compressed_logit_schema()
        else:
            config = kit.DistributionQuantizationConfig(**values)
            compressor = kit.LogprobCompressor(config=config)
            schema = common.compressed_logit_schema()
        rows = []
        for _, logits in texts:
            if name == "legacy":
                packed, exact, terms = compressor.legacy_compressor.compress(logits[None])
                made = {"packed_indices": packed, "exact_values": exact, "coeffs": terms}
            else:
                made = compressor.compress(logits.log_softmax(-1)[None])
            rows.append(made)
        write(folder, common, schema, [tokens for tokens, _ in texts], rows)
        known = values if name == "legacy" else config.model_dump(mode="json")
        (folder / "compression_config.yaml").write_text(yaml.safe_dump(known))
        read = [compressor.decompress_to_sparse(made) for made in rows]
        np.savez_compressed(
            folder / "expected.npz",
            ids=np.concatenate([ids[0].numpy() for ids, _ in read]).astype(np.uint16),
            values=np.concatenate([values[0].float().numpy() for _, values in read]),
        )
    pack(out / "packed", importlib.import_module("distillkit.pack_logits"))


def logits_of_texts() -> list[tuple[list[int], torch.Tensor]]:
    """Ids (T) of texts that the teacher wrote itself, and its logits (T - 1, V) before each."""
    model = AutoModelForCausalLM.from_pretrained(
        MODELS / "teacher", use_safetensors=True, trust_remote_code=False
    ).eval()
    generator, made = torch.Generator().manual_seed(0), []
    for number in range(TEXTS):
        tokens = [END]
        with torch.no_grad():
            for _ in range(60 + 5 * number):
                chances = model(torch.tensor([tokens])).logits[0, -1].softmax(-1)
                tokens.append(int(torch.multinomial(chances, 1, generator=generator)))
            made.append((tokens, model(torch.tensor([tokens])).logits[0, :-1]))
    return made


def write(
    folder: Path, common: ModuleType, schema: object, texts: list[list[int]],
    rows: list[dict[str, torch.Tensor]],
) -> None:  # fmt: skip
    """``data_0.parquet``, by DistillKit's writer."""
    with common.StreamingParquetWriter(str(folder), schema, 100, queue_maxsize=8) as writer:
        for tokens, made in zip(texts, rows, strict=True):
            writer.write(
                {"input_ids": tokens, **{key: value[0].tolist() for key, value in made.items()}}
            )


def pack(folder: Path, packer: ModuleType) -> None:
    """The rows of a folder packed, in place of them."""
    datasets = importlib.import_module("datasets")
    file = folder / "data_0.parquet"
    whole = datasets.Dataset(parquet.read_table(file))
    packed = packer.iterative_packing(whole, MAX_LENGTH, batch_size=TEXTS)
    file.unlink()
    packed.to_parquet(str(folder / "train-00000-of-00001.parquet"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
