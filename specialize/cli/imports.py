"""Dumps of others made into stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specialize.cli.console import FILE, STORE, as_json_option, own_file, print_result
from specialize.errors import InputError

if TYPE_CHECKING:
    from specialize.answers import Kind
    from specialize.records import Example


def only_file(path: Path) -> Path:
    """``path``, or the one file in the directory ``path``."""
    if not path.is_dir():
        return path
    files = sorted(file for file in path.iterdir() if file.is_file())
    if len(files) != 1:
        raise InputError(f"{path} holds {len(files)} files; name the one to import")
    return files[0]


@click.group(name="import")
def import_() -> None:
    """Convert a teacher dump made elsewhere into a store."""


@import_.command()
@click.argument("source", type=FILE)
@click.argument("out", type=STORE)
@click.option(
    "--questions", required=True, help="GSM8K train file (the samples answer its question 0)."
)
@click.option(
    "--vocabulary",
    default=None,
    help="The p50k_base rank file, for the teacher's own token ids.  [default: none]",
)
@as_json_option
def codex(source: Path, out: Path, questions: str, vocabulary: str | None, as_json: bool) -> None:
    """Convert code-davinci-002 samples with top-5 probabilities (Fu et al. 2023).

    SOURCE is the file, or a directory with that one file.
    """
    from specialize import datasets
    from specialize.imports.codex import import_codex

    examples = datasets.load("gsm8k", questions, split="train")
    summary = import_codex(only_file(source), out, examples=examples, vocabulary=vocabulary)
    print_result(summary, as_json)


def _texts_of_a_split(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments of imports that match texts to a split's examples by position."""
    for option in (
        as_json_option,
        click.option("--restart", is_flag=True, help="Delete what is there and start over."),
        click.option(
            "--split",
            default="train",
            show_default=True,
            help="Split, as in the batches' file names.",
        ),
        click.option(
            "--path", required=True, help="File or directory of the whole published split."
        ),
        click.option(
            "--data",
            "name",
            required=True,
            metavar="SET",
            callback=own_file,
            help="Set whose answers grade the texts.",
        ),
        click.argument("out", type=STORE),
        click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path)),
    ):
        command = option(command)
    return command


@import_.command()
@click.option(
    "--teacher",
    default="palm-540b",
    show_default=True,
    metavar="NAME",
    help="The teacher's name, recorded in the store.",
)
@_texts_of_a_split
def palm(
    source: Path, out: Path, name: str, path: str, split: str, teacher: str, restart: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Convert PaLM's rationales and labels (Hsieh et al. 2023), SOURCE/<split>_CoT_<i>.json."""
    from specialize import datasets
    from specialize.imports.palm import import_palm

    found = import_palm(
        source, out, examples=datasets.load(name, path), kind=datasets.kind_of(name), split=split,
        teacher=teacher, restart=restart,
    )  # fmt: skip
    print_result(found, as_json)


@import_.command()
@_texts_of_a_split
def tinyllm(
    source: Path, out: Path, name: str, path: str, split: str, restart: bool, as_json: bool
) -> None:
    """Convert the joint rationales of two teachers (Tian et al. 2024) into stores in OUT."""
    from specialize import datasets
    from specialize.imports.tinyllm import import_tinyllm

    found = import_tinyllm(
        source, out, examples=datasets.load(name, path), kind=datasets.kind_of(name), split=split,
        restart=restart,
    )  # fmt: skip
    print_result(found, as_json)


def _local_or_hub(_context: click.Context, _argument: click.Parameter, given: str) -> Path | str:
    """A file or directory that is there, or an address on the hub."""
    if given.startswith("hf://"):
        return given
    if not Path(given).exists():
        raise click.BadParameter(f"Path {given!r} does not exist.")
    return Path(given)


_ROW_OPTIONS = (
    as_json_option,
    click.option("--restart", is_flag=True, help="Delete what is there and start over."),
    click.option(
        "--path",
        default=None,
        help="The set's file or directory.  [default: download from the hub]",
    ),
    click.option(
        "--data",
        "name",
        default=None,
        metavar="SET",
        callback=own_file,
        help="Set whose answers grade the texts.  [default: none]",
    ),
    click.option(
        "--temperature",
        default=None,
        type=click.FloatRange(min=0),
        help="Temperature at which the texts were sampled.  [default: not known]",
    ),
    click.option(
        "--top-k",
        default=5,
        show_default=True,
        type=click.IntRange(min=1),
        help="Entries stored per position.",
    ),
    click.option(
        "--tokenizer",
        required=True,
        metavar="MODEL",
        help="The teacher's tokenizer: directory, file or hub id.",
    ),
    click.option(
        "--teacher",
        required=True,
        metavar="NAME",
        help="The teacher's name, recorded in the store.",
    ),
    click.argument("out", type=STORE),
)


def _rows_of_a_teacher(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments of imports that bring rows of a teacher whose tokenizer can be had."""
    for option in _ROW_OPTIONS:
        command = option(command)
    return command


def _examples(name: str | None, path: str | None) -> tuple[list[Example], Kind]:
    from specialize import datasets

    return ([], "number") if name is None else (datasets.load(name, path), datasets.kind_of(name))


@import_.command()
@click.argument("source", callback=_local_or_hub)
@click.option(
    "--after",
    default=None,
    help="The response starts after the last occurrence of this text.  [default: the first token]",
)
@click.option(
    "--config",
    default=None,
    metavar="FILE|YAML",
    help="How the bytes are encoded.  [default: compression_config.yaml beside the data]",
)
@_rows_of_a_teacher
def distillkit(
    source: Path | str, out: Path, teacher: str, tokenizer: str, top_k: int, after: str | None,
    config: str | None,
    temperature: float | None, name: str | None, path: str | None, restart: bool, as_json: bool,
) -> None:  # fmt: skip
    """Convert DistillKit's parquet files in SOURCE, packed or not, current or legacy.

    SOURCE is a file, a directory, or hf://datasets/OWNER/NAME, which is read as it is needed.
    """
    from specialize.imports.distillkit import import_distillkit

    examples, kind = _examples(name, path)
    found = import_distillkit(
        source, out, tokenizer=tokenizer, teacher=teacher, top_k=top_k, config=config,
        after=after, temperature=temperature, examples=examples, kind=kind, restart=restart,
    )  # fmt: skip
    print_result(found, as_json)


@import_.command()
@click.argument("source", callback=_local_or_hub)
@click.option(
    "--preset", default=None, metavar="NAME", help="Layout of a known set.  [default: none]"
)
@click.option(
    "--ids",
    default=None,
    metavar="C",
    help="Column of the entries' ids.  [default: the preset's, or none]",
)
@click.option(
    "--values",
    default=None,
    metavar="C",
    help="Column of the entries' values.  [default: the preset's]",
)
@click.option(
    "--as",
    "kind_of_values",
    default=None,
    type=click.Choice(["logits", "logprobs", "probs", "weights"]),
    help="What the values are.  [default: the preset's]",
)
@click.option(
    "--tokens", default=None, metavar="C", help="Column of the tokens.  [default: the preset's]"
)
@click.option(
    "--rows",
    default=None,
    type=click.Choice(["next", "own", "last"]),
    help="Token that a row is of: the next one, its own, or the last ones.  "
    "[default: the preset's]",
)
@click.option(
    "--segments",
    default=None,
    metavar="C",
    help="Column of text numbers, or a mask.  [default: the preset's, or none]",
)
@click.option(
    "--normalizer",
    default=None,
    metavar="C",
    help="Column of log-sums of all logits.  [default: the preset's, or none]",
)
@click.option(
    "--prompt",
    default=None,
    metavar="C",
    help="Column of the text that the tokens answer.  [default: the preset's, or none]",
)
@_rows_of_a_teacher
def columns(
    source: Path | str, out: Path, teacher: str, tokenizer: str, top_k: int, preset: str | None,
    ids: str | None, values: str | None, kind_of_values: str | None, tokens: str | None,
    rows: str | None, segments: str | None, normalizer: str | None, prompt: str | None,
    temperature: float | None, name: str | None, path: str | None, restart: bool, as_json: bool,
) -> None:  # fmt: skip
    """Convert columns of ids and values: parquet or JSON lines, a file, a directory or the hub.

    SOURCE on the hub is hf://datasets/OWNER/NAME, of which parquet is read as it is needed.
    Presets: arcee-405b, apertus, alibaba, nemo-aligner, lightning-opd, and specialize for what
    export writes; the options change them. A column inside another is named with a dot:
    metadata.response_tokens.
    """
    from specialize.imports.columns import import_columns
    from specialize.imports.layouts import named_layout

    layout = named_layout(
        preset, ids=ids, values=values, kind=kind_of_values, tokens=tokens, beside=rows,
        segments=segments, normalizer=normalizer, prompt=prompt,
    )  # fmt: skip
    examples, kind = _examples(name, path)
    found = import_columns(
        source, out, layout=layout, tokenizer=tokenizer, teacher=teacher, top_k=top_k,
        temperature=temperature, examples=examples, kind=kind, restart=restart,
    )  # fmt: skip
    print_result(found, as_json)


@import_.command(name="json")
@click.argument("source", type=FILE)
@_rows_of_a_teacher
def json_(
    source: Path, out: Path, teacher: str, tokenizer: str, top_k: int,
    temperature: float | None, name: str | None, path: str | None, restart: bool, as_json: bool,
) -> None:  # fmt: skip
    """Convert JSON lines with log-probabilities from vLLM, an OpenAI client or axolotl."""
    from specialize.imports.vllm_json import import_json

    examples, kind = _examples(name, path)
    found = import_json(
        source, out, tokenizer=tokenizer, teacher=teacher, top_k=top_k,
        temperature=temperature, examples=examples, kind=kind, restart=restart,
    )  # fmt: skip
    print_result(found, as_json)


@import_.command()
@click.argument("source", type=FILE)
@click.argument("out", type=STORE)
@click.option(
    "--teacher", default=None, metavar="NAME", help="The teacher's name.  [default: the records']"
)
@click.option(
    "--data",
    "name",
    default=None,
    metavar="SET",
    help="Set whose answers grade the texts.  [default: none]",
)
@click.option(
    "--path", default=None, help="The set's file or directory.  [default: download from the hub]"
)
@click.option("--restart", is_flag=True, help="Delete what is there and start over.")
@as_json_option
def texts(
    source: Path, out: Path, teacher: str | None, name: str | None, path: str | None,
    restart: bool, as_json: bool,
) -> None:  # fmt: skip
    """Convert plain texts: JSON lines with text, prompt or id, teacher, finish_reason."""
    from specialize.imports.texts import import_texts

    examples, kind = _examples(name, path)
    found = import_texts(
        source, out, teacher=teacher, examples=examples, kind=kind, restart=restart
    )
    print_result(found, as_json)
