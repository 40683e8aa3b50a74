"""What a dump costs beside its model, what a position takes on disk, and how fast it is read.

    python scripts/bench/bench_dump.py --json

* scoring: a whole dump (asking, tokens, rows, judging, files) against the bare forward pass of the
  same model in the same batches, its logits at the same positions and nothing else; in turns;
* sampling: a whole dump against the library's ``generate`` with as many texts of one length;
* bytes a position of the same rows: ours; DistillKit's codec (bf16 values, ids packed to the bits
  of the vocabulary, in parquet); the JSON of axolotl and vLLM; the JSON of EasyDistill;
* positions a second, read in order and at random, against safetensors alone and parquet.

Models are random, of the size that is named; a processor's time is that of all its threads. Other
work on the machine shows in the seconds, less in the ratios, which are medians over the turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from transformers import GPT2Config, GPT2LMHeadModel

from specialize.config.recipe import Teacher as TeacherSettings
from specialize.quickstart import world
from specialize.quickstart.run import MODELS
from specialize.records import Example
from specialize.store import Sample, Store, verify
from specialize.teacher.asks import build_asks
from specialize.teacher.dump import dump
from specialize.teacher.local.decode import left_padded
from specialize.teacher.local.load import Loaded, load_model
from specialize.teacher.local.score import batches_of, text_logits
from specialize.teacher.local.teacher import BATCH_ROWS, BATCH_TOKENS, LocalTeacher
from specialize.tokens import load_tokenizer

# width, layers, heads, vocabulary; parameters in millions as they come out
SIZES = {
    "60M (T5-small)": (512, 14, 8, 32_128),
    "124M (GPT-2)": (768, 12, 12, 50_257),
    "355M (GPT-2 medium)": (1024, 24, 16, 50_257),
}
SCORE = TeacherSettings(mode="score")
Timing = dict[str, float]


def random_teacher(size: str) -> LocalTeacher:
    width, layers, heads, vocabulary = SIZES[size]
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=vocabulary, n_embd=width, n_layer=layers, n_head=heads, n_positions=512,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    tokenizer = load_tokenizer(MODELS / "teacher")
    return LocalTeacher(Loaded(size, "random", GPT2LMHeadModel(config), tokenizer))


def clocked(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def paired(ours: Callable[[], object], bare: Callable[[], object], turns: int) -> Timing:
    """Both in turns; the median ratio and the least seconds."""
    bare()  # the first pass fetches memory
    timed = [(clocked(bare), clocked(ours)) for _ in range(turns)]
    return {
        "bare_seconds": min(b[0] for b, _ in timed),
        "dump_seconds": min(o[0] for _, o in timed),
        "overhead_wall": statistics.median(o[0] / b[0] for b, o in timed) - 1,
        "overhead_processor": statistics.median(o[1] / b[1] for b, o in timed) - 1,
    }


def scoring(teacher: LocalTeacher, examples: Sequence[Example], turns: int) -> Timing:
    asks = build_asks(examples, SCORE).entries
    given = teacher._given([ask.prompt for ask in asks], [ask.text or "" for ask in asks])
    positions = max(1, (1 << 24) // teacher.description.vocabulary_size)
    batches = [
        [given[i] for i in batch]
        for batch in batches_of(given, rows=BATCH_ROWS, tokens=BATCH_TOKENS, positions=positions)
    ]

    @torch.inference_mode()
    def bare() -> None:
        for batch in batches:
            text_logits(teacher._model, batch)

    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        timing = paired(lambda: dump(teacher, examples, store, SCORE, restart=True), bare, turns)
    scored = sum(len(item.tokens) for item in given)
    read = sum(map(len, given))
    parameters = sum(weight.numel() for weight in teacher._model.parameters())
    return {"parameters": parameters, "positions": scored, "tokens_read": read, **timing}


def sampling(teacher: LocalTeacher, examples: Sequence[Example], turns: int) -> Timing:
    """Eight texts a question; random weights end none, so that all have the same length."""
    samples, length = 8, 32
    settings = TeacherSettings(samples=samples, max_new_tokens=length, temperature=0.7)
    prompts = [ask.prompt for ask in build_asks(examples, settings).entries[::samples]]
    ids, mask = left_padded(teacher.prompt_tokens(prompts), torch.device("cpu"))

    @torch.inference_mode()
    def bare() -> None:
        made = teacher._model.generate(
            input_ids=ids, attention_mask=mask, do_sample=True, temperature=0.7, top_k=0,
            max_new_tokens=length, num_return_sequences=samples, pad_token_id=0,
        )  # fmt: skip
        assert made.shape == (samples * len(prompts), ids.shape[1] + length)

    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        timing = paired(lambda: dump(teacher, examples, store, settings, restart=True), bare, turns)
        written = Store.open(store).positions
    return {"positions": written, "expected": samples * len(prompts) * length, **timing}


def sizes_on_disk(store: Path, folder: Path) -> Timing:
    """Bytes a position of the same rows in four formats; files as they lie on the disk."""
    samples = list(Store.open(store))
    positions = sum(map(len, samples))
    vocabulary = Store.open(store).description.vocabulary_size
    files = {
        "distillkit_parquet": folder / "distillkit.parquet",
        "axolotl_json": folder / "axolotl.jsonl",
        "easydistill_json": folder / "easydistill.jsonl",
    }
    pq.write_table(distillkit_table(samples, vocabulary), files["distillkit_parquet"])
    files["axolotl_json"].write_text("\n".join(map(axolotl_line, samples)))
    files["easydistill_json"].write_text("\n".join(map(easydistill_line, samples)))
    ours = verify(store)
    bits = (vocabulary - 1).bit_length()
    return {
        "ours_arrays": ours.bytes_per_position,
        "ours_all_files": ours.disk_bytes / positions,
        "distillkit_codec": 5 * 2 + (5 * bits + 7) // 8,
        **{name: path.stat().st_size / positions for name, path in files.items()},
    }


def columns(sample: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids and log-probabilities (R, 5) and tails (R,) of a sample, as rectangles."""
    return sample.distributions.padded(5)


def distillkit_table(samples: Sequence[Sample], vocabulary: int) -> pa.Table:
    """Its schema: ids of the text, and two lists of bytes a position."""
    bits = (vocabulary - 1).bit_length()
    shifts = np.arange(bits - 1, -1, -1)
    values, packed = [], []
    for sample in samples:
        ids, logprobs, _ = columns(sample)
        exact = torch.from_numpy(logprobs.astype(np.float32)).bfloat16()
        values.append(exact.view(torch.uint8).reshape(len(sample), -1).tolist())
        each = ids.astype(np.int64)[:, :, None] >> shifts & 1
        packed.append(np.packbits(each.reshape(len(sample), -1).astype(np.uint8), -1).tolist())
    rows = pa.list_(pa.list_(pa.uint8()))
    return pa.table(
        {
            "input_ids": pa.array([s.token_id.tolist() for s in samples], pa.list_(pa.uint64())),
            "compressed_logprobs": pa.array(values, rows),
            "bytepacked_indices": pa.array(packed, rows),
        }
    )


def axolotl_line(sample: Sample) -> str:
    every_id, every_logprob, _ = columns(sample)
    rows = [
        [{"logprob": p, "token": f"token_id:{i}"} for i, p in zip(ids, logprobs, strict=True)]
        for ids, logprobs in zip(
            every_id.tolist(), every_logprob.astype(np.float32).tolist(), strict=True
        )
    ]
    return json.dumps({"text": sample.response.text, "logprobs": rows})


def easydistill_line(sample: Sample) -> str:
    ids, logprobs, _ = columns(sample)
    rows = zip(ids.tolist(), np.exp(logprobs.astype(np.float32)).tolist(), strict=True)
    return json.dumps([dict(zip(row, p, strict=True)) for row, p in rows])


def reading(store: Path, folder: Path, order: np.ndarray) -> Timing:
    """Positions a second; every row is touched. Files are in the system's cache for all three."""
    opened = Store.open(store)
    keys = opened.keys
    positions = opened.positions
    names = ("topk_id", "topk_logprob", "tail_logprob")
    parts = zip(*(columns(sample) for sample in opened), strict=True)
    arrays = {name: np.concatenate(part) for name, part in zip(names, parts, strict=True)}
    ends = np.cumsum([0] + [len(s) for s in opened])
    plain, table = folder / "plain.safetensors", folder / "rows.parquet"
    save_file(arrays, plain)
    pq.write_table(
        pa.table({n: _lists(a, ends) for n, a in arrays.items()}), table, row_group_size=512
    )

    def ours(rows: np.ndarray) -> None:
        fresh = Store.open(store)
        for i in rows.tolist():
            touch(fresh[keys[i]].distributions.logprobs)

    def safetensors(rows: np.ndarray) -> None:
        with safe_open(plain, "np") as file:
            slices = [file.get_slice(name) for name in arrays]
            for i in rows.tolist():
                touch(*(part[int(ends[i]) : int(ends[i + 1])] for part in slices))

    def parquet(rows: np.ndarray) -> None:
        file = pq.ParquetFile(table)
        if (np.diff(rows) == 1).all():
            for batch in file.iter_batches():
                touch(*(column.flatten().to_numpy(zero_copy_only=False) for column in batch))
            return
        for i in rows[:200].tolist():  # a row costs its whole group
            group = file.read_row_group(i // 512).slice(i % 512, 1)
            touch(*(c.combine_chunks().flatten().to_numpy(zero_copy_only=False) for c in group))

    told: Timing = {"positions": positions}
    for name, read in (("ours", ours), ("safetensors", safetensors), ("parquet", parquet)):
        for how, rows in (("sequential", np.sort(order)), ("random", order)):
            asked = rows[:200] if name == "parquet" and how == "random" else rows
            count = int((ends[asked + 1] - ends[asked]).sum())
            told[f"{name}_{how}"] = count / min(clocked(partial(read, rows))[0] for _ in range(3))
    return told


def _lists(values: np.ndarray, ends: np.ndarray) -> pa.Array:
    width = values.shape[1] if values.ndim == 2 else 1
    return pa.ListArray.from_arrays(
        pa.array(ends * width, pa.int32()), pa.array(values.reshape(-1))
    )


def touch(*arrays: np.ndarray) -> None:
    for array in arrays:
        array.astype(np.float32).sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="60M,124M,355M", help="comma-separated")
    parser.add_argument("--examples", type=int, default=96, help="texts that are scored")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--skip", default="", help="scoring, sampling or reading")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    examples = world.examples(world.FAMILIES[0], "train", 2000)
    told: dict[str, object] = {"threads": options.threads}
    sizes = [name for name in SIZES if name.split()[0] in options.sizes.split(",")]
    for size in sizes if "scoring" not in options.skip else ():
        # as much arithmetic for every size, a quarter at least
        share = max(1, SIZES[size][0] ** 2 * SIZES[size][1] // (512**2 * 14 * 2))
        teacher = random_teacher(size)
        told[f"scoring {size}"] = scoring(
            teacher, examples[: max(24, options.examples // share)], options.turns
        )
    if "sampling" not in options.skip:
        small = random_teacher(next(iter(SIZES)))
        told["sampling"] = sampling(small, examples[:4], max(2, options.turns - 2))
    if "reading" not in options.skip:
        with tempfile.TemporaryDirectory() as name:
            folder, store = Path(name), Path(name) / "store"
            bundled = LocalTeacher(load_model(str(MODELS / "teacher")))
            dump(bundled, examples, store, SCORE)
            told["bytes a position"] = sizes_on_disk(store, folder)
            order = np.random.default_rng(0).permutation(len(Store.open(store)))
            told["positions a second"] = reading(store, folder, order)
    print(json.dumps(told) if options.json else _table(told))


def _table(told: dict[str, object]) -> str:
    lines = []
    for name, values in told.items():
        lines.append(f"{name}" if isinstance(values, dict) else f"{name:32} {values}")
        if isinstance(values, dict):
            lines += [f"  {key:30} {value:,.4g}" for key, value in values.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
