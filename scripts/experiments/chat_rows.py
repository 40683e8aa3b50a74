"""Holds a chat teacher's stored rows against ``model(apply_chat_template(...))`` in float32.

    python scripts/experiments/chat_rows.py OUT --model SmolLM2.gguf [--data DATA_DIR] [--texts 24]
        [--tokens 48] [--url http://127.0.0.1:8080]

A teacher scores worked solutions and samples answers of its own, in chats, as ``specialize dump``
does. Every row of its stores is then computed once more by the transformers library alone: its
reader of the file, its ``apply_chat_template``, one forward pass a text, ``log_softmax`` over the
whole vocabulary. With ``--url`` the teacher is a llama.cpp server on the same weights
(``llama_server.py``), asked by ids and by messages; without it the model runs here, and its greedy
answers are held against ``generate`` as well. OUT/rows.json has, for each store:

    rows, texts          compared
    ids                  texts whose tokens the template gives (score), or spell the text (sample)
    mass_max, mass_mean  |stored - computed| probability over all entries and tails
    rounded              share of entries and tails that are the computed ones, rounded as a store
                         rounds them, to the last bit
    own_nats_max, _mean  the same of every text's own tokens, in nats
    top_k, first         share of rows with the same k ids, and with the same most probable one
    swapped_max          largest difference in probability of ids that took each other's place
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from align.sparse import SparseDistributions
from specialize import datasets
from specialize.config.recipe import Teacher as Settings
from specialize.evaluate.generation import Limits, generate
from specialize.formats import by_name
from specialize.io.files import write_atomically
from specialize.quickstart import world
from specialize.records import ChatPrompt, Example, Json
from specialize.store import Sample, Store, stored_rows
from specialize.students.student import load_model
from specialize.teacher.dump import dump
from specialize.teacher.local.teacher import load_teacher
from specialize.teacher.protocol import Teacher
from specialize.teacher.served import connect
from specialize.tokens import load_tokenizer

K = 20
SERVED = (("llama.cpp", "score"), ("llama.cpp", "sample"), ("openai-chat", "sample"))


@dataclass(frozen=True, slots=True)
class Library:
    """A model and its tokenizer, read by the transformers library alone."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast

    def prompt(self, prompt: ChatPrompt) -> list[int]:
        """What ``apply_chat_template`` makes of the turns, up to where the assistant speaks."""
        turns = [turn.as_json() for turn in prompt.messages]
        return self._ids(turns, prompt, answer=True)

    def chat(self, prompt: ChatPrompt, said: str) -> list[int]:
        """The same with the assistant's turn."""
        turns = [turn.as_json() for turn in prompt.messages]
        return self._ids([*turns, {"role": "assistant", "content": said}], prompt, answer=False)

    def _ids(
        self, turns: list[dict[str, object]], prompt: ChatPrompt, *, answer: bool
    ) -> list[int]:
        ids: list[int] = self.tokenizer.apply_chat_template(
            turns, add_generation_prompt=answer, return_dict=False, **prompt.arguments
        )
        return ids

    @torch.inference_mode()
    def rows(self, head: Sequence[int], tokens: Sequence[int]) -> NDArray[np.float32]:
        """(R, V) log-probabilities in nats at every one of ``tokens`` after ``head``."""
        logits = self.model(torch.tensor([[*head, *tokens]])).logits[0].float()
        rows: NDArray[np.float32] = logits.log_softmax(-1)[len(head) - 1 : -1].numpy()
        return rows

    @torch.inference_mode()
    def greedy(self, head: Sequence[int], tokens: int) -> list[int]:
        """What ``generate`` writes, its end included."""
        ids = torch.tensor([head])
        written = self.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=tokens
        )
        new: list[int] = written[0, len(head) :].tolist()
        return new


def read_library(path: Path) -> Library:
    """Of a directory or a GGUF file.

    The library's reader of GGUF parts a text as GPT-2 does whatever the file says; one of SmolLM2's
    kind has every digit alone before that, as in the model's published ``tokenizer.json``.
    """
    if path.is_dir():
        model = AutoModelForCausalLM.from_pretrained(
            path, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
        return Library(model.eval(), AutoTokenizer.from_pretrained(path))
    file = {"gguf_file": path.name}
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, **file
    )
    tokenizer = AutoTokenizer.from_pretrained(path.parent, **file)
    parts = gguf.GGUFReader(path).fields.get("tokenizer.ggml.pre")
    if parts is not None and parts.contents() == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
    return Library(model.eval(), tokenizer)


@dataclass(slots=True)
class Comparison:
    """What has been compared so far; the module's docstring names the fields of ``as_json``."""

    texts: int = 0
    ids: int = 0
    mass: list[NDArray[np.float64]] = field(default_factory=list)
    own: list[NDArray[np.float64]] = field(default_factory=list)
    rounded: list[bool] = field(default_factory=list)
    top_k: list[bool] = field(default_factory=list)
    first: list[bool] = field(default_factory=list)
    swapped: float = 0.0

    def add(self, sample: Sample, log_p: NDArray[np.float32], *, same_ids: bool) -> None:
        """One text and its (R, V) rows."""
        self.texts += 1
        self.ids += same_ids
        stored, rows = sample.distributions, np.arange(len(sample))
        self.own.append(np.abs(sample.token_logprob - log_p[rows, sample.token_id]))
        for row in rows:
            self._add_row(stored[row : row + 1], log_p[row].astype(np.float64))

    def _add_row(self, stored: SparseDistributions, log_p: NDArray[np.float64]) -> None:
        ids, p = stored.ids, np.exp(log_p)
        own, tail = _sparse(log_p, ids), float(stored.tail[0])
        masses = np.exp([*stored.logprobs.astype(np.float64), tail])
        self.mass.append(np.abs(masses - np.exp([*own.logprobs, *own.tail])))
        best = np.argsort(-p, kind="stable")[: len(ids)]
        self.first.append(bool(ids[0] == best[0]))
        self.top_k.append(set(ids.tolist()) == set(best.tolist()))
        kept = stored_rows(own, len(ids))
        in_order = np.array_equal(kept.ids, ids)
        self.rounded += [
            in_order and theirs == ours
            for theirs, ours in zip(
                [*kept.logprobs, *kept.tail], [*stored.logprobs, *stored.tail], strict=True
            )
        ]
        if not self.top_k[-1]:
            lost, taken = np.setdiff1d(best, ids), np.setdiff1d(ids, best)
            self.swapped = max(self.swapped, float(p[lost].max() - p[taken].min()))
        if not self.first[-1]:
            self.swapped = max(self.swapped, float(p[best[0]] - p[ids[0]]))

    def as_json(self) -> dict[str, Json]:
        mass, own = np.concatenate(self.mass), np.concatenate(self.own)
        return {
            "texts": self.texts, "ids": self.ids, "rows": len(own), "entries": len(mass) - len(own),
            "mass_max": float(mass.max()), "mass_mean": float(mass.mean()),
            "rounded": float(np.mean(self.rounded)),
            "own_nats_max": float(own.max()), "own_nats_mean": float(own.mean()),
            "top_k": float(np.mean(self.top_k)), "first": float(np.mean(self.first)),
            "swapped_max": self.swapped,
        }  # fmt: skip


def _sparse(log_p: NDArray[np.float64], ids: NDArray[np.int32]) -> SparseDistributions:
    """The row of all log-probabilities (V,) with these entries and everything else as its tail."""
    own = log_p[ids]
    rest = np.delete(log_p, ids)
    tail = rest.max() + np.log(np.exp(rest - rest.max()).sum())
    pointers = np.array([0, len(ids)])
    return SparseDistributions(pointers, ids, own.astype(np.float32), np.float32([tail]))


def compare(store: Store, library: Library) -> Comparison:
    """Every row of a store of chats."""
    found = Comparison()
    for sample in store:
        prompt, tokens = sample.response.prompt, sample.token_id.tolist()
        assert isinstance(prompt, ChatPrompt)
        head = library.prompt(prompt)
        if store.description.settings["mode"] == "score":
            whole = library.chat(prompt, sample.response.text)
            same = whole[: len(head) + len(tokens)] == [*head, *tokens]
        else:  # what was drawn need not be how the text is tokenized
            spelled = library.tokenizer.decode(tokens, skip_special_tokens=True)
            same = spelled == sample.response.text
        found.add(sample, library.rows(head, tokens), same_ids=same)
    return found


def questions(data: Path | None, count: int) -> dict[str, list[Example]]:
    """What is scored, with solutions, and what is answered."""
    if data is None:
        solved = world.examples("shop", "train", count)
        return {"score": solved, "sample": world.examples("shop_step", "train", count)}
    solved = datasets.load("gsm8k", str(data / "gsm8k" / "train.jsonl"))[:count]
    asked = datasets.load("svamp", str(data / "svamp" / "SVAMP.json"))[:count]
    return {"score": solved, "sample": asked}


def settings(mode: str, tokens: int, server: Mapping[str, object] | None = None) -> Settings:
    """Of one dump; ``toy`` is the name that ``llama_server.py`` gives a model."""
    asked = {"mode": mode, "format": "chat-cot" if mode == "score" else "chat"}
    values = {"model": "toy", "top_logprobs": K, "max_new_tokens": tokens, "server": server}
    return Settings.model_validate({**asked, **values})


def same_greedy(
    path: Path, library: Library, asked: Sequence[Example], tokens: int
) -> dict[str, Json]:
    """Answers as evaluation decodes them: texts that are ``generate``'s token for token."""
    tokenizer, form = load_tokenizer(path), by_name("chat")
    prompts = [form.prompt(example) for example in asked]
    ids = tokenizer.encode_prompts(prompts)
    model = load_model(str(path)).eval()
    batches = generate(model, ids, Limits(tokens, batch_tokens=1 << 14))
    ours = dict(one for batch in batches for one in batch)
    same = rendered = 0
    for i, prompt in enumerate(prompts):
        head = library.prompt(prompt)
        rendered += head == ids[i]
        written = library.greedy(head, tokens)
        ended = bool(written) and written[-1] in tokenizer.ends
        same += written == [*ours[i].ids, *written[-1:]] if ended else written == [*ours[i].ids]
    finished = sum(each.finished for each in ours.values())
    return {"texts": len(asked), "prompts": rendered, "same": same, "finished": finished}


def compared(
    teacher: Teacher, settings: Settings, asked: Sequence[Example], out: Path, library: Library
) -> dict[str, Json]:
    """What one dump into ``out`` is worth, and whose it is."""
    dump(teacher, asked, out, settings)
    store = Store.open(out)
    lost = len(asked) - len(store)
    found = compare(store, library).as_json()
    return {"weights": teacher.description.dtype, "lost": lost, **found}


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--model", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data", default=None, type=click.Path(exists=True, path_type=Path))
@click.option("--texts", default=24, show_default=True, help="Scored, sampled and greedy, each.")
@click.option("--tokens", default=48, show_default=True, help="Of an answer, at most.")
@click.option("--url", default=None, help="Of a llama.cpp server on the same weights.")
def main(
    out: Path, model: Path, data: Path | None, texts: int, tokens: int, url: str | None
) -> None:
    """Compare, and write OUT/rows.json."""
    library, asked = read_library(model), questions(data, texts)
    found: dict[str, Json] = {}
    if url is None:
        found["greedy"] = same_greedy(model, library, asked["sample"], tokens)
        teacher = load_teacher(str(model), device="cpu")
        for mode in asked:
            at = out / mode
            found[mode] = compared(teacher, settings(mode, tokens), asked[mode], at, library)
    for kind, mode in SERVED if url is not None else ():
        server = {"kind": kind, "urls": [url], "tokenizer": str(model), "concurrency": 2}
        name, own = f"{kind} {mode}", settings(mode, tokens, server)
        with connect(own) as served:
            found[name] = compared(served, own, asked[mode], out / name.replace(" ", "-"), library)
    write_atomically(out / "rows.json", json.dumps(found, indent=1).encode())
    click.echo(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
