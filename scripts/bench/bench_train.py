"""What our loss costs in time and memory, as ratios to plain cross-entropy in the same run.

    python scripts/bench/bench_train.py [--json FILE] [--repeats 5] [--quick]
        [--models t5-small,causal] [--dtypes fp32,bf16]

``step_ratio``: forward and backward of a whole model (a T5 of small size with V = 32,128; a causal
model with V = 151,936), in turns with transformers' own ``labels=``; CPU time, on a GPU wall time.
``memory_ratio``: peak of output projection, loss and all gradients on 1,280 (causal: 512) tokens,
each in a process of its own, above what was there before; ``loss_mib`` is the same without the
gradients of states and projection, which every variant makes. Variants:

    ours             our kernel, gradient written over the logits; ``fused``: with the projection;
                     ``reverse`` and ``jsd``: other divergences by the same kernel
    log_softmax      log_softmax and gather, tail dropped (as axolotl, verl)
    bucket_autograd  gather minus logsumexp and a k + 1 bucket by subtraction (as DistillKit, TRL)
    dense            a dense target filled from the sparse one (as Fu et al. 2023)
    trl, liger       their losses against a dense teacher, where they are installed (pip install
                     --no-deps trl liger-kernel)
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    GPT2Config,
    PreTrainedConfig,
    T5Config,
)

from specialize.losses import fused_kl, measured_kl
from specialize.students.student import Shape, Student

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Setting:
    """A model's outer measures: what is trained on, and how much."""

    name: str
    vocabulary: int
    width: int
    rows: int
    prompt: int
    target: int
    memory_tokens: int


T5 = Setting("t5-small", 32_128, 512, 6, 64, 48, 1280)
CAUSAL = Setting("causal", 151_936, 256, 4, 32, 64, 512)


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table; both ratios are to plain cross-entropy."""

    variant: str
    dtype: str
    vocabulary: int
    fused: bool
    step_ratio: float | None
    memory_ratio: float | None
    loss_mib: float


class Rows:
    """Sparse rows of 5 entries that hold 0.9 of the mass; the first is the label."""

    def __init__(self, count: int, vocabulary: int) -> None:
        generator = torch.Generator().manual_seed(0)
        first = torch.randint(vocabulary - 50, (count, 1), generator=generator)
        self.ids = (first + 7 * torch.arange(5)).to(DEVICE)
        shares = torch.tensor([0.5, 0.2, 0.1, 0.06, 0.04], device=DEVICE)
        self.logprobs = shares.log().expand(count, 5).contiguous()
        self.tail = torch.full((count,), 0.1, device=DEVICE).log()
        self.weight = torch.full((count,), 1 / count, device=DEVICE)
        self.vocabulary = vocabulary

    def sparse(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.ids, self.logprobs, self.tail, self.weight

    def dense(self, rest: float = 0.0) -> Tensor:
        target = torch.full((len(self.ids), self.vocabulary), rest, device=DEVICE)
        return target.scatter_(1, self.ids, self.logprobs.exp())


# ---- losses on hidden states and projection ----------------------------------------------------

Loss = Callable[[Tensor, Tensor, Rows], Tensor]


def cross_entropy(hidden: Tensor, projection: Tensor, rows: Rows) -> Tensor:
    logits = nn.functional.linear(hidden, projection)
    return nn.functional.cross_entropy(logits.float(), rows.ids[:, 0])


def ours(hidden: Tensor, projection: Tensor, rows: Rows) -> Tensor:
    logits = nn.functional.linear(hidden, projection)
    return measured_kl(logits, *rows.sparse(), reuse_logits=True)[0]


def ours_fused(hidden: Tensor, projection: Tensor, rows: Rows) -> Tensor:
    return fused_kl(hidden, projection, *rows.sparse())[0]


def ours_reverse(hidden: Tensor, projection: Tensor, rows: Rows) -> Tensor:
    logits = nn.functional.linear(hidden, projection)
    return measured_kl(logits, *rows.sparse(), beta=1.0, reuse_logits=True)[0]


def ours_jsd(hidden: Tensor, projection: Tensor, rows: Rows) -> Tensor:
    logits = nn.functional.linear(hidden, projection)
    return measured_kl(logits, *rows.sparse(), beta=0.5, reuse_logits=True)[0]


def log_softmax(hidden: Tensor, projection: Tensor, rows: Rows) -> Tensor:
    log_q = nn.functional.linear(hidden, projection).float().log_softmax(-1).gather(1, rows.ids)
    return (rows.logprobs.exp() * (rows.logprobs - log_q)).sum() / len(log_q)


def bucket_autograd(hidden: Tensor, projection: Tensor, rows: Rows) -> Tensor:
    logits = nn.functional.linear(hidden, projection).float()
    log_q = logits.gather(1, rows.ids) - logits.logsumexp(-1, keepdim=True)
    log_qt = (1 - log_q.exp().sum(1)).clamp(min=1e-8).log()
    stored = (rows.logprobs.exp() * (rows.logprobs - log_q)).sum(1)
    return (stored + rows.tail.exp() * (rows.tail - log_qt)).mean()


def dense(hidden: Tensor, projection: Tensor, rows: Rows) -> Tensor:
    target = rows.dense()
    q = nn.functional.linear(hidden, projection).float().softmax(-1)
    return (target * (target / (q + 1e-10) + 1e-10).log()).sum() / len(q)


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "ours": ours,
    "ours_fused": ours_fused,
    "ours_reverse": ours_reverse,
    "ours_jsd": ours_jsd,
    "log_softmax": log_softmax,
    "bucket_autograd": bucket_autograd,
    "dense": dense,
}

try:
    from trl.experimental.gkd import GKDTrainer
except Exception as reason:  # whatever keeps another library from loading is only noted
    print(f"trl is left out: {type(reason).__name__}: {reason}"[:120], file=sys.stderr)
else:

    def trl(hidden: Tensor, projection: Tensor, rows: Rows) -> Tensor:
        logits = nn.functional.linear(hidden, projection)
        teacher = rows.dense(0.1 / rows.vocabulary).log_()
        return GKDTrainer.generalized_jsd_loss(logits[None].float(), teacher[None], beta=0)

    LOSSES["trl"] = trl

try:
    from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss
except Exception as reason:
    print(f"liger is left out: {type(reason).__name__}: {reason}"[:120], file=sys.stderr)
else:

    def liger(hidden: Tensor, projection: Tensor, rows: Rows) -> Tensor:
        loss = LigerFusedLinearJSDLoss(weight_hard_loss=0.0, beta=0.0, compiled=False)
        labels = rows.ids[:, 0]
        return loss(hidden, projection, hidden.detach(), projection.detach(), labels)

    LOSSES["liger"] = liger


# ---- memory ------------------------------------------------------------------------------------


def peak_bytes(variant: str, dtype: str, setting: Setting) -> int:
    """Peak of projection, loss and gradients above the inputs, in this process."""
    torch.set_num_threads(1)

    def make(tokens: int) -> tuple[Tensor, Tensor, Rows]:
        torch.manual_seed(0)
        hidden = torch.randn(tokens, setting.width, device=DEVICE, dtype=DTYPES[dtype])
        shape = (setting.vocabulary, setting.width)
        projection = torch.randn(shape, device=DEVICE, dtype=DTYPES[dtype]) / 20
        rows = Rows(tokens, setting.vocabulary)
        return hidden.requires_grad_(), projection.requires_grad_(), rows

    LOSSES[variant](*make(8)).backward()  # pools, caches and code are then there
    inputs = make(setting.memory_tokens)
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        LOSSES[variant](*inputs).backward()
        return torch.cuda.max_memory_allocated() - before
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    before = _status("VmRSS")
    LOSSES[variant](*inputs).backward()
    return _status("VmHWM") - before


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(key))


def memory_of_all(setting: Setting, dtype: str) -> dict[str, int]:
    """Peak bytes of every variant, each in a fresh process."""
    context = multiprocessing.get_context("spawn" if DEVICE == "cuda" else "forkserver")
    context.set_forkserver_preload(["__main__"])
    found = {}
    for variant in LOSSES:
        with context.Pool(1) as pool:
            found[variant] = pool.apply(peak_bytes, (variant, dtype, setting))
    return found


def gradient_bytes(setting: Setting, dtype: str) -> int:
    """Of the states and the projection."""
    return (setting.memory_tokens + setting.vocabulary) * setting.width * DTYPES[dtype].itemsize


# ---- time --------------------------------------------------------------------------------------


def build(setting: Setting, dtype: str) -> Student:
    config: PreTrainedConfig
    if setting is T5:
        config = T5Config(vocab_size=setting.vocabulary, dropout_rate=0.0, decoder_start_token_id=0)
        model = AutoModelForSeq2SeqLM.from_config(config)
    else:
        config = GPT2Config(
            vocab_size=setting.vocabulary, n_embd=setting.width, n_layer=4, n_head=4,
            n_positions=128, attn_pdrop=0.0, resid_pdrop=0.0, embd_pdrop=0.0,
        )  # fmt: skip
        model = AutoModelForCausalLM.from_config(config)
    shape = Shape(setting is T5, 0, 0, setting.vocabulary)
    return Student(model.to(DEVICE), shape, "bf16" if dtype == "bf16" else "fp32").train()


def step_of(student: Student, setting: Setting, variant: str) -> Callable[[], None]:
    """A function that runs one forward and backward of the whole model with this loss."""
    generator = torch.Generator().manual_seed(1)
    encoder_decoder = student.shape.encoder_decoder
    length = setting.prompt + (0 if encoder_decoder else setting.target - 1)
    ids = torch.randint(2, 32_000, (setting.rows, length), generator=generator).to(DEVICE)
    targets = setting.rows * setting.target
    rows = Rows(targets, setting.vocabulary)
    labels = rows.ids[:, 0].reshape(setting.rows, setting.target)
    decoder = torch.cat([torch.zeros_like(labels[:, :1]), labels[:, :-1]], 1)
    start = 0 if encoder_decoder else setting.prompt - 1
    width = setting.target if encoder_decoder else length
    positions = (torch.arange(setting.rows)[:, None] * width + torch.arange(start, width)).flatten()
    half = student.precision == "bf16"

    def plain() -> None:
        if encoder_decoder:
            inputs = {"input_ids": ids, "labels": labels}
        else:  # transformers projects every position and shifts
            whole = torch.cat([ids, labels[:, -1:]], 1)
            hidden_labels = torch.full_like(whole, -100)
            hidden_labels[:, setting.prompt :] = labels
            inputs = {"input_ids": whole, "labels": hidden_labels}
        with torch.autocast(DEVICE, torch.bfloat16, enabled=half):
            loss = student.model(**inputs, use_cache=False).loss
        loss.backward()

    def with_loss() -> None:
        student.fused = True  # gives the states; the loss projects them
        states = student(
            ids, torch.ones_like(ids), decoder if encoder_decoder else None, positions.to(DEVICE)
        )
        with torch.autocast(DEVICE, torch.bfloat16, enabled=half):
            loss = LOSSES[variant](states, student.projection, rows)
        loss.backward()

    return plain if variant == "cross_entropy" else with_loss


def step_ratios(setting: Setting, dtype: str, repeats: int) -> dict[str, float]:
    """Medians of pairs: every variant is beside a cross-entropy step of the same moment."""
    student = build(setting, dtype)
    steps = {variant: step_of(student, setting, variant) for variant in LOSSES}
    ratios: dict[str, list[float]] = {variant: [] for variant in LOSSES}
    for turn in range(repeats + 1):  # the first turn warms up
        for variant, step in steps.items():
            pair = [steps["cross_entropy"], step]
            seconds = [_timed(run, student) for run in (pair if turn % 2 else pair[::-1])]
            reference, measured = seconds if turn % 2 else seconds[::-1]
            if turn:
                ratios[variant].append(measured / reference)
    return {variant: statistics.median(found) for variant, found in ratios.items()}


def _timed(step: Callable[[], None], student: Student) -> float:
    student.zero_grad(set_to_none=True)
    clock = time.perf_counter if DEVICE == "cuda" else time.process_time
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    start = clock()
    step()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of steps per variant")
    parser.add_argument("--quick", action="store_true", help="memory only")
    parser.add_argument("--models", default="t5-small,causal")
    parser.add_argument("--dtypes", default=",".join(DTYPES))
    given = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for setting in (s for s in (T5, CAUSAL) if s.name in given.models.split(",")):
        for dtype in given.dtypes.split(","):
            memory = memory_of_all(setting, dtype)
            steps = {} if given.quick else step_ratios(setting, dtype, given.repeats)
            for variant in LOSSES:
                name, fused = variant.removesuffix("_fused"), variant in ("ours_fused", "liger")
                step = round(steps[variant], 4) if steps else None
                ratio = round(memory[variant] / memory["cross_entropy"], 4)
                mib = round((memory[variant] - gradient_bytes(setting, dtype)) / 2**20, 1)
                results.append(Result(name, dtype, setting.vocabulary, fused, step, ratio, mib))
                print(json.dumps(asdict(results[-1])), flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")


if __name__ == "__main__":
    main()
