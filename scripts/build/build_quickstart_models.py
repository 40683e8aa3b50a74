"""Train the bundled tiny teachers and student of ``specialize quickstart`` from nothing.

    python scripts/build/build_quickstart_models.py --part all --out specialize/quickstart/models

The teacher (GPT-2, its own byte-level BPE) learns every family of the tiny world. The second
teacher (Llama, SentencePiece with byte fallback) learns the families alone, and to explain a given
answer; it is trained for half as long, and weaker. The student (T5, its own unigram vocabulary)
first reads the same world, solutions and all; then it is tuned on the general tasks, on facts and
problems of one step, and on problems of several steps answered at once, without a solution. What is
left is a generalist that guesses where it should reason, and whose mathematics a short
specialization brings out.

Parts may be run alone and at the same time, tokenizers first; a killed part resumes from its last
state under --state. On one idle core the teacher takes about 25 minutes, the student 20, the
second teacher 10.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from build_quickstart_rows import Mixture, Rows, batches, shares
from build_quickstart_tokenizers import (
    second_teacher_tokenizer,
    student_tokenizer,
    teacher_tokenizer,
)
from quickstart_world import BASICS
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from specialize.quickstart.world import FAMILIES, GENERAL
from specialize.tokens import load_tokenizer as read_tokenizer

# ---- tokenizers --------------------------------------------------------------------------------


def build_tokenizers(out: Path) -> None:
    rows = Rows(Mixture(shares(0.6, 0.2, 0.2), 0.0, 0.1), seed=11)
    texts = [prompt + response for prompt, response in rows.draw(0, 30_000)]
    teacher_tokenizer(texts).save_pretrained(out / "teacher")
    second_teacher_tokenizer(texts, out / "second_teacher")
    student_tokenizer(texts).save_pretrained(out / "student")


def load_tokenizer(directory: Path) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(directory)


# ---- training ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    mixture: Mixture
    steps: int
    rows: int  # per step
    rate: float  # peak learning rate
    seed: int
    floor: float = 0.05  # last learning rate, as a share of the peak
    stop: int | None = None  # end here, with the schedule of ``steps``
    relative: bool = False  # rates are relative to each parameter's size, as in Adafactor


def train(
    model: torch.nn.Module,
    stage: Stage,
    encode: Callable[[tuple[str, str]], tuple[list, list]],
    loss_of: Callable[[list], torch.Tensor],
    state: Path,
) -> None:
    """Run one stage; every 100 steps its whole state goes to ``state``, from which it resumes."""
    optimizer = torch.optim.AdamW(
        _groups(model, stage.relative), lr=stage.rate, betas=(0.9, 0.98), weight_decay=0.01,
        fused=True,
    )  # fmt: skip
    file, done = state / f"{stage.name}.pt", 0
    if file.exists():
        saved = torch.load(file, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        done = saved["step"]
    last = stage.stop or stage.steps
    if done >= last:
        return
    model.train()
    stream = batches(Rows(stage.mixture, stage.seed), stage.rows, done, encode)
    started, losses = time.time(), []
    for step in range(done, last):
        for group in optimizer.param_groups:
            group["lr"] = stage.rate * group["scale"] * _schedule(step, stage.steps, stage.floor)
        loss = loss_of(next(stream))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if (step + 1) % 100 == 0 or step + 1 == last:
            print(
                f"{stage.name} step {step + 1}/{last} loss {np.mean(losses):.4f} "
                f"{time.time() - started:.0f} s",
                flush=True,
            )
            losses = []
            saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(saved | {"step": step + 1}, file.with_suffix(".partial"))
            file.with_suffix(".partial").replace(file)
    model.eval()


def _groups(model: torch.nn.Module, relative: bool) -> list[dict]:
    """Parameters by the factor on their learning rate: 1, or their root mean square.

    T5's parameters start at sizes that differ a hundredfold (queries at 0.016, embeddings at 1),
    so that no single rate suits them all.
    """
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for parameter in model.parameters():
        size = float(parameter.detach().square().mean().sqrt()) if relative else 1.0
        groups.setdefault(float(f"{max(size, 1e-3):.1g}"), []).append(parameter)
    return [{"params": members, "scale": scale} for scale, members in groups.items()]


def _schedule(step: int, steps: int, floor: float) -> float:
    """Linear warm-up over 100 steps, then a cosine down to ``floor``."""
    warm = min(1.0, (step + 1) / 100)
    return warm * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _pad(sequences: list[list[int]], value: int) -> torch.Tensor:
    width = max(map(len, sequences))
    return torch.tensor([ids + [value] * (width - len(ids)) for ids in sequences])


# ---- teacher -----------------------------------------------------------------------------------

TEACHER_STAGES = (
    Stage(
        "teacher",
        Mixture(shares(0.76, 0.12, 0.12), in_context=0.15, answer_only=0.05, demonstrations=2),
        steps=2400, rows=40, rate=2e-3, seed=1,
    ),
    Stage(
        "teacher-more",
        Mixture(
            {"depot": 0.28, "depot_step": 0.06, "arithmetic_fact": 0.06}
            | {"shop": 0.13, "farm": 0.12, "errands": 0.17}
            | dict.fromkeys(GENERAL, 0.036),
            in_context=0.15, answer_only=0.05, demonstrations=2,
        ),
        steps=1500, rows=40, rate=1.5e-3, seed=4,
    ),
)  # fmt: skip


def build_teacher(
    out: Path, state: Path, stages: tuple[Stage, ...], *, start: Path | None = None
) -> None:
    """Train it from nothing, or from the weights in ``start``."""
    torch.manual_seed(1)
    tokenizer = load_tokenizer(out / "teacher")
    end = tokenizer.eos_token_id
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer), n_positions=384, n_embd=128, n_layer=4, n_head=4,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
            bos_token_id=end, eos_token_id=end, pad_token_id=end,
        )
    )  # fmt: skip
    if start is not None:
        model.load_state_dict(GPT2LMHeadModel.from_pretrained(start).state_dict())
    train_causal(model, tokenizer.encode, (), end, stages, state)
    model.generation_config.update(eos_token_id=end, pad_token_id=end, max_new_tokens=128)
    model.save_pretrained(out / "teacher")


def train_causal(
    model: PreTrainedModel,
    tokens_of: Callable[[str], list[int]],
    prefix: tuple[int, ...],
    end: int,
    stages: tuple[Stage, ...],
    state: Path,
) -> None:
    """Teach a causal model to continue prompts; ``prefix`` comes before, ``end`` after a row."""
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)

    def encode(row: tuple[str, str]) -> tuple[list, list]:
        return [*prefix, *tokens_of(row[0])], [*tokens_of(row[1]), end]

    def loss_of(batch: list[tuple[list[int], list[int]]]) -> torch.Tensor:
        ids = _pad([prompt + response for prompt, response in batch], end)
        labels = _pad([[-100] * len(prompt) + response for prompt, response in batch], -100)
        hidden = model.base_model(ids).last_hidden_state[:, :-1]
        read = labels[:, 1:] != -100
        logits = model.lm_head(hidden[read])
        return torch.nn.functional.cross_entropy(logits, labels[:, 1:][read])

    for stage in stages:
        train(model, stage, encode, loss_of, state)


SECOND_TEACHER_STAGES = (
    Stage(
        "second-teacher",
        Mixture(
            shares(0.8, 0.2, 0.0), in_context=0.08, answer_only=0.02, demonstrations=2, forced=0.2
        ),
        steps=1600, rows=40, rate=2.5e-3, seed=5,
    ),
)  # fmt: skip


def build_second_teacher(out: Path, state: Path, stages: tuple[Stage, ...]) -> None:
    torch.manual_seed(3)
    tokenizer = read_tokenizer(out / "second_teacher")
    start, end = 1, tokenizer.eos
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=tokenizer.size, hidden_size=128, intermediate_size=320,
            num_hidden_layers=4, num_attention_heads=4, max_position_embeddings=512,
            tie_word_embeddings=True, bos_token_id=start, eos_token_id=end, pad_token_id=end,
        )
    )  # fmt: skip
    train_causal(
        model, lambda text: tokenizer.encode_batch([text])[0], (start,), end, stages, state
    )
    model.generation_config.update(eos_token_id=end, pad_token_id=end, max_new_tokens=128)
    model.save_pretrained(out / "second_teacher")


# ---- student -----------------------------------------------------------------------------------

STUDENT_STAGES = (
    Stage(
        "student-read",
        Mixture(shares(0.6, 0.2, 0.2), in_context=0.1, answer_only=0.05),
        steps=4000, stop=3000, rows=32, rate=1.2e-2, seed=2, floor=0.1, relative=True,
    ),
    Stage(
        "student-tune",
        Mixture(
            {"shop": 0.08, "farm": 0.04, "depot": 0.04, "errands": 0.04}
            | dict.fromkeys(BASICS, 0.035)
            | {"sort_words": 0.06, "count_objects": 0.08, "evaluate_boolean": 0.16}
            | {"reverse_list": 0.2, "compare_numbers": 0.16},
            in_context=0.25, answer_only=0.25, direct=FAMILIES,
        ),
        steps=700, rows=32, rate=7e-3, seed=3, relative=True,
    ),
)  # fmt: skip


def build_student(out: Path, state: Path, stages: tuple[Stage, ...]) -> None:
    torch.manual_seed(2)
    tokenizer = load_tokenizer(out / "student")
    model = student_of_width(128, len(tokenizer))
    train_student(model, tokenizer, stages, state)
    model.save_pretrained(out / "student")


def student_of_width(width: int, vocabulary: int) -> T5ForConditionalGeneration:
    """Three layers on either side, untrained; ``width`` is a multiple of 32."""
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocabulary, d_model=width, d_kv=32, d_ff=2 * width, num_layers=3,
            num_decoder_layers=3, num_heads=width // 32, dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            relative_attention_num_buckets=32, relative_attention_max_distance=128,
            tie_word_embeddings=False, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
        )
    )  # fmt: skip
    # an untied output projection starts at unit variance, far too confident for so narrow a model
    torch.nn.init.normal_(model.lm_head.weight, std=width**-0.5)
    return model


def train_student(
    model: T5ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    stages: tuple[Stage, ...],
    state: Path,
) -> None:
    """Teach a student to answer prompts, stage after stage."""
    print(f"student: {model.num_parameters():,} parameters", flush=True)

    def encode(row: tuple[str, str]) -> tuple[list, list]:
        return tokenizer.encode(row[0]), tokenizer.encode(row[1])

    def loss_of(batch: list[tuple[list[int], list[int]]]) -> torch.Tensor:
        prompts = _pad([prompt for prompt, _ in batch], 0)
        labels = _pad([response for _, response in batch], -100)
        return model(input_ids=prompts, attention_mask=(prompts != 0).long(), labels=labels).loss

    for stage in stages:
        train(model, stage, encode, loss_of, state)
    model.generation_config.update(
        decoder_start_token_id=0, eos_token_id=1, pad_token_id=0, max_new_tokens=128
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ("tokenizers", "teacher", "second-teacher", "student", "all")
    parser.add_argument("--part", choices=parts, default="all")
    parser.add_argument("--out", type=Path, default=Path("specialize/quickstart/models"))
    parser.add_argument("--state", type=Path, default=Path("/tmp/quickstart_models_state"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, help="at most so many steps a stage, for a trial")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.state.mkdir(parents=True, exist_ok=True)
    if options.part in ("tokenizers", "all"):
        build_tokenizers(options.out)
    if options.part in ("teacher", "all"):
        build_teacher(options.out, options.state, _shorten(TEACHER_STAGES, options.steps))
    if options.part in ("second-teacher", "all"):
        stages = _shorten(SECOND_TEACHER_STAGES, options.steps)
        build_second_teacher(options.out, options.state, stages)
    if options.part in ("student", "all"):
        build_student(options.out, options.state, _shorten(STUDENT_STAGES, options.steps))


def _shorten(stages: tuple[Stage, ...], steps: int | None) -> tuple[Stage, ...]:
    if steps is None:
        return stages
    return tuple(replace(stage, stop=min(steps, stage.stop or stage.steps)) for stage in stages)


if __name__ == "__main__":
    main()
