"""Writes a GGUF file's weights in float32: the numbers that its blocks encode, no others.

    python scripts/build/gguf_float32.py SmolLM2.gguf SmolLM2.F32.gguf

A server on the new file computes in float32 with the weights of the old one, so that what is left
between it and another program is arithmetic alone. llama.cpp rounds activations to eight bits where
weights are in blocks.
"""

from __future__ import annotations

from pathlib import Path

import click
import gguf
import numpy as np


def write_float32(source: Path, out: Path) -> None:
    """The same metadata and tensors; every tensor in float32."""
    reader = gguf.GGUFReader(source)
    architecture = reader.fields[gguf.Keys.General.ARCHITECTURE].contents()
    writer = gguf.GGUFWriter(str(out), str(architecture))
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == gguf.Keys.General.ARCHITECTURE:
            continue  # written by the writer itself
        kind, of = field.types[0], field.types[-1] if len(field.types) > 1 else None
        value = int(gguf.LlamaFileType.ALL_F32) if name == _FILE_TYPE else field.contents()
        writer.add_key_value(name, value, kind, sub_type=of)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, np.ascontiguousarray(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


_FILE_TYPE = gguf.Keys.General.FILE_TYPE


@click.command()
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(source: Path, out: Path) -> None:
    write_float32(source, out)


if __name__ == "__main__":
    main()
