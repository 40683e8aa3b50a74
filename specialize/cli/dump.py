"""The ``dump`` command: every option of a teacher that writes, scores or explains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from specialize.cli.console import (
    STORE,
    as_json_option,
    own_file,
    print_result,
    processes_option,
    ray_option,
    shard_option,
)

if TYPE_CHECKING:
    from specialize.config.recipe import Teacher


@click.command()
@click.argument("out", type=STORE)
@click.option(
    "--teacher",
    required=True,
    callback=own_file,
    metavar="MODEL",
    help="Model directory, GGUF file or hub id.",
)
@click.option(
    "--data",
    "name",
    required=True,
    metavar="SET",
    callback=own_file,
    help="Question set: a name (gsm8k, jsonl, ...) or your own .py file.",
)
@click.option(
    "--path", default=None, help="The set's file or directory.  [default: download from the hub]"
)
@click.option("--split", default=None, help="Published split to read.  [default: all]")
@click.option(
    "--limit",
    default=None,
    type=click.IntRange(min=1),
    help="Only the first N examples.  [default: all]",
)
@click.option(
    "--mode",
    default="sample",
    type=click.Choice(["sample", "score", "rationale"]),
    show_default=True,
    help="Sample solutions, score the set's own solutions, or write rationales "
    "(with --set forced=true, for the given answers).",
)
@click.option(
    "--texts",
    default=None,
    metavar="FILE",
    help="With mode score: texts to score in place of the set's own solutions, JSON lines with id "
    "and text, such as `specialize rollouts` writes.  [default: none]",
)
@click.option(
    "--format",
    "format_name",
    default="zero-shot-cot",
    show_default=True,
    metavar="NAME",
    help="Prompt format: zero-shot or in-context, then -cot or -answer; chat-cot, chat-answer or "
    "chat for chat models.",
)
@click.option(
    "--num-fewshot",
    "--demonstrations",
    "num_fewshot",
    default=0,
    show_default=True,
    help="Demonstrations in each prompt.",
)
@click.option(
    "--prompt-file", default=None, help="File with a fixed few-shot prompt.  [default: none]"
)
@click.option(
    "--samples",
    default=None,
    type=click.IntRange(min=1),
    help="Solutions per question.  [default: 40 with mode sample, else 1]",
)
@click.option("--temperature", default=0.7, show_default=True, help="Sampling temperature.")
@click.option(
    "--max-new-tokens",
    default=256,
    show_default=True,
    type=click.IntRange(min=1),
    help="Length limit of a solution, in tokens.",
)
@click.option(
    "--top-logprobs",
    "--top-k",
    "top_logprobs",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Entries stored per position.",
)
@click.option(
    "--top-p-mass",
    "--entry-mass",
    "top_p_mass",
    default=1.0,
    show_default=True,
    help="Store only as many of the top entries as reach this mass.",
)
@click.option(
    "--num-samples",
    "--draws",
    "num_samples",
    default=None,
    type=int,
    help="Store N sampled ids per position instead of the top entries.  [default: none]",
)
@click.option(
    "--tail-temperature",
    multiple=True,
    type=float,
    help="Also store the tail mass at this temperature; may be repeated.",
)
@click.option(
    "--server",
    default=None,
    metavar="KIND",
    help="Query a server: vllm, sglang, llama.cpp, openai, openai-chat.  [default: a local model]",
)
@click.option("--url", "urls", multiple=True, help="Server address; may be repeated.")
@click.option("--revision", default=None, help="Hub revision of the model.  [default: main]")
@click.option(
    "--trust-remote-code",
    is_flag=True,
    help="Allow code from the model repository to run; read it first.",
)
@click.option(
    "--too-long",
    default="refuse",
    show_default=True,
    type=click.Choice(["refuse", "skip"]),
    help="Prompts longer than the teacher's context: refuse the dump, or skip and count them.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the sampling.")
@shard_option
@processes_option
@ray_option
@click.option("--restart", is_flag=True, help="Delete what is there and start over.")
@click.option("--dry-run", is_flag=True, help="Print rows, tokens, bytes and free disk, then stop.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a setting of the teacher, such as dtype=bfloat16; may be repeated.",
)
@as_json_option
def dump(
    out: Path, teacher: str, name: str, path: str | None, split: str | None, limit: int | None,
    mode: str, texts: str | None, format_name: str, num_fewshot: int, prompt_file: str | None,
    samples: int | None, temperature: float, max_new_tokens: int, top_logprobs: int,
    top_p_mass: float, num_samples: int | None, tail_temperature: tuple[float, ...],
    server: str | None, urls: tuple[str, ...], revision: str | None, trust_remote_code: bool,
    too_long: str, seed: int, shard: str | None, processes: int, ray: str | None, restart: bool,
    dry_run: bool, overrides: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Record a teacher's solutions and their top-k token distributions in the store OUT.

    For a served teacher: --server vllm --url http://host:8000 --set server.tokenizer=DIR
    (docs/teachers.md).
    """
    from specialize.config.yaml_files import build_teacher
    from specialize.engines import Engine
    from specialize.stages.stores import dump_set

    settings = build_teacher(
        {
            "model": teacher,
            "mode": mode,
            "texts": texts,
            "format": format_name,
            "num_fewshot": num_fewshot,
            "prompt_file": prompt_file,
            "samples": samples or (40 if mode == "sample" else 1),
            "temperature": temperature,
            "max_new_tokens": max_new_tokens,
            "top_logprobs": top_logprobs,
            "top_p_mass": top_p_mass,
            "num_samples": num_samples,
            "tail_temperatures": tail_temperature,
            "revision": revision,
            "trust_remote_code": trust_remote_code,
            "too_long": too_long,
            **({"server": {"kind": server, "urls": urls}} if server or urls else {}),
        },
        overrides,
    )
    _allow(settings)
    result = dump_set(
        out, settings, name, path, split=split, limit=limit, seed=seed, restart=restart,
        dry_run=dry_run, shard=shard, engine=Engine(processes, ray))  # fmt: skip
    print_result(result, as_json)


def _allow(settings: Teacher) -> None:
    """Let what the arguments of this very command ask for run and be sent."""
    from specialize.config import trust

    if settings.trust_remote_code:
        trust.allow_model_code(settings.model or "")
    if settings.server is not None and settings.server.key_variable:
        for url in settings.server.urls:
            trust.allow_key(settings.server.key_variable, urlsplit(url).hostname or "")
