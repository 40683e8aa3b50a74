"""A teacher of a recipe: which model, where it answers, what it is asked for and what is stored.

teachers:
  llama: {model: meta-llama/Llama-3.1-8B, samples: 8, temperature: 0.7, top_logprobs: 5}
  served: {model: qwen, server: {kind: vllm, urls: [http://gpu:8000]}}
  codex: {}                                   # imported; see ``specialize import``
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from specialize.config.chat import Chat
from specialize.config.section import Count, Positive, PositiveNumber, Share, Strict
from specialize.errors import ConfigurationError

_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#@]*)?")
_KEY = re.compile(r"\bsk-\w")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*_(KEY|TOKEN)")
ServerKind = Literal[
    "vllm", "vllm-tokens", "vllm-chat", "sglang", "llama.cpp", "openai", "openai-chat"
]  # fmt: skip


class Server(Strict):
    """Where a served teacher answers, and how hard it may be asked.

    No key belongs here or in a URL: ``key_variable`` names the environment variable that has it.
    """

    kind: ServerKind
    """The dialect that it speaks."""
    urls: Annotated[tuple[str, ...], Field(min_length=1)]
    """Addresses without /v1; several share the load."""
    tokenizer: str | None = None
    """Directory or hub id of what it tokenizes with. None: the teacher's model."""
    key_variable: str | None = None
    """Environment variable with the key that is sent as a bearer token."""
    concurrency: Positive = 16
    """Requests under way, over all addresses and all jobs that write a part each."""
    requests_per_minute: Positive | None = None
    """Requests begun in a minute, at most. None: no limit."""
    tokens_per_minute: Positive | None = None
    """Tokens of prompts and of what may be written in a minute, at most. None: no limit."""
    timeout_seconds: PositiveNumber = 300
    """Of one request."""
    retry_seconds: PositiveNumber = 600
    """Of one request's retries, all together."""
    choices: Positive = 1
    """Solutions asked for in one request, which pays for its prompt once."""

    def shared_by(self, jobs: int) -> Server:
        """What each of ``jobs`` jobs at once may ask, so that all of them keep the limits.

        Raises:
            ConfigurationError: a limit is below one unit a minute for each job.
        """
        limits = {
            "requests_per_minute": self.requests_per_minute,
            "tokens_per_minute": self.tokens_per_minute,
        }
        for name, limit in limits.items():
            if limit is not None and limit < jobs:
                raise ConfigurationError(
                    f"server.{name} {limit} cannot be shared by {jobs} jobs; start at most {limit}"
                )
        shares = {name: limit // jobs for name, limit in limits.items() if limit is not None}
        return self.model_copy(update={"concurrency": max(1, self.concurrency // jobs), **shares})

    @field_validator("urls", mode="before")
    @classmethod
    def _plain(cls, urls: object) -> tuple[str, ...]:
        listed = (urls,) if isinstance(urls, str) else urls
        if not isinstance(listed, list | tuple):
            raise _refusal("urls must be a list of addresses")
        for number, url in enumerate(listed):
            if not isinstance(url, str) or not _ADDRESS.fullmatch(url) or _KEY.search(url):
                raise _refusal(
                    f"address {number} must read http(s)://host[:port][/path], with no user, "
                    f"password, query or key in it; put a key into an environment variable and "
                    f"name that with key_variable"
                )
        return tuple(url.rstrip("/") for url in listed)

    @field_validator("key_variable", mode="before")
    @classmethod
    def _name(cls, name: object) -> object:
        if name is not None and not (isinstance(name, str) and _VARIABLE.fullmatch(name)):
            raise _refusal(
                "key_variable must name an environment variable that ends in _KEY or _TOKEN; it is "
                "not the key itself"
            )
        return name


def _refusal(message: str) -> PydanticCustomError:
    """An error that does not show the value, which may be a key."""
    return PydanticCustomError("hidden_value", "{message}", {"message": message})


class Teacher(Strict):
    """A teacher and what it is asked for. Without ``model`` its store was imported."""

    earlier_names: ClassVar[Mapping[str, str]] = {
        "demonstrations": "num_fewshot",
        "top_k": "top_logprobs",
        "entry_mass": "top_p_mass",
        "draws": "num_samples",
        "stop": "until",
    }

    model: str | None = None
    """Directory, GGUF file or hub id; with a server, the name that it serves. None: imported."""
    mode: Literal["sample", "score", "rationale"] = "sample"
    """Write solutions, score the set's own, or explain answers."""
    texts: str | None = None
    """With mode score: a file of texts to score in place of the set's own solutions, each line with
    the id of its question."""
    consistent_with: str | None = None
    """Another teacher of the recipe that this one must be: both stores are compared before anything
    is scored."""
    forced: bool = False
    """With mode rationale: the prompt gives the answer."""
    tasks: tuple[str, ...] = ()
    """Parts of the set whose questions it is asked. None given: every question."""
    format: str = "zero-shot-cot"
    """Of the prompt."""
    chat: Chat = Chat()
    """System prompt and template arguments of its chat formats."""
    num_fewshot: Count = 0
    """Demonstrations in each prompt of an in-context format."""
    prompt_file: str | None = None
    """A published few-shot prompt instead of drawn demonstrations."""
    samples: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Solutions to each question."""
    temperature: PositiveNumber = 0.7
    """At which solutions are drawn; stored log-probabilities are at 1."""
    max_new_tokens: Positive = 256
    """Longest solution."""
    top_logprobs: Positive = 5
    """Most probable entries stored at each position; it does not limit what is drawn."""
    top_p_mass: Share = 1.0
    """Of these, store only as many as reach this mass."""
    num_samples: Positive | None = None
    """Store the ids of this many draws from each row instead of its most probable entries."""
    tail_temperatures: tuple[PositiveNumber, ...] = ()
    """At which the tail is stored too, for a loss at that temperature."""
    top_p: Share = 1.0
    """Draw solutions from the most probable tokens of this mass."""
    until: tuple[str, ...] = ()
    """Texts after which a server stops writing."""
    cut: Literal["answer", "published", "none"] = "answer"
    """Where a text is over: after the line of a complete answer; after the first line with "answer
    is", as published for code-davinci-002 with its prompt; where the teacher or a limit ends it."""
    too_long: Literal["refuse", "skip"] = "refuse"
    """What prompts beyond the teacher's context mean."""
    revision: str | None = None
    """Of a hub id. None: its main branch."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the weights."""
    device: str | None = None
    """None: a GPU where there is one."""
    trust_remote_code: bool = False
    """Run the model's own code; a hub id then needs its commit as revision."""
    server: Server | None = None
    """None: the model runs here."""

    @model_validator(mode="after")
    def _named(self) -> Teacher:
        if self.server is not None and self.model is None:
            raise ValueError("a teacher with a server needs a model: the name that it serves")
        if self.texts is not None and self.mode != "score":
            raise ValueError(f"texts are scored: with mode {self.mode} leave them out")
        if self.until and self.server is None:
            raise ValueError("until is for servers; a local teacher stops after the answer's line")
        if self.num_samples is not None and (self.top_p_mass < 1 or self.tail_temperatures):
            raise ValueError(
                "drawn entries have no tail: leave out top_p_mass and tail_temperatures"
            )
        extras = self.num_samples is not None or self.top_p_mass < 1 or bool(self.tail_temperatures)
        if self.server is not None and (extras or self.trust_remote_code):
            raise ValueError(
                "a server tells its top_logprobs alone: num_samples, top_p_mass, "
                "tail_temperatures and trust_remote_code are for models that run here"
            )
        return self
