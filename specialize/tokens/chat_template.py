r"""A chat template as a value: messages to the text that a model was trained to read.

    Message("user", "2 + 2?")  ->  "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n"

Templates are Jinja texts beside a tokenizer. They are rendered as the transformers library renders
them (``apply_chat_template``), within bounds (``sandbox``). What a template writes around contents
is found by rendering contents that no template has, never in a table of families (``ends``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from specialize.errors import ConfigurationError, InputError
from specialize.io.visible import visible
from specialize.records import Message
from specialize.tokens.definition import Json
from specialize.tokens.json_files import read_object

NO_ARGUMENTS: Mapping[str, Json] = MappingProxyType({})
# The names of special tokens that transformers hands to every template.
_TOKEN_NAMES = tuple(f"{role}_token" for role in ["bos", "eos", "unk", "sep", "pad", "cls", "mask"])
_OWN = frozenset(("messages", "add_generation_prompt", "tools", "documents"))
CLOCK = "strftime_now"
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """How one model wants messages written.

    Attributes:
        source: the Jinja text.
        tokens: special tokens as they are written, by the template's names (``bos_token``).
        digest: sha256 of ``source``, in hexadecimal.
    """

    source: str = field(repr=False)
    tokens: Mapping[str, str] = field(default_factory=dict, hash=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(self.source.encode()).hexdigest())

    def render(
        self,
        messages: Sequence[Message],
        *,
        answer: bool = True,
        arguments: Mapping[str, Json] = NO_ARGUMENTS,
    ) -> str:
        """The text of ``messages``, as ``apply_chat_template(tokenize=False)`` gives it.

        Args:
            messages: at least one.
            answer: whether the beginning of the assistant's answer follows them.
            arguments: of the template (``enable_thinking``). A template that calls
                ``strftime_now`` for today's date needs it here as a date ("2026-01-31"): a prompt
                must be the same tomorrow.

        Raises:
            InputError: the template refuses the messages, fails, or does not come to an end.
            ConfigurationError: a reserved argument, or no date where the template writes one.
        """
        from specialize.tokens.sandbox import render

        variables = _variables(arguments)
        with _one_line(self.digest, messages):
            return render(
                self.source,
                {
                    **self.tokens,
                    "messages": [_as_transformers(message) for message in messages],
                    "tools": None,
                    "documents": None,
                    "add_generation_prompt": answer,
                    **variables,
                },
            )


def _variables(arguments: Mapping[str, Json]) -> dict[str, object]:
    if taken := sorted(_OWN & arguments.keys()):
        raise ConfigurationError(
            f"{', '.join(taken)} cannot be an argument of a chat template: it is set for each "
            f"prompt; leave it out of chat.arguments"
        )
    return {**arguments, CLOCK: _clock(arguments.get(CLOCK))}


def _clock(day: Json) -> Callable[[str], str]:
    """What ``strftime_now`` is: a clock that has stopped at ``day``."""
    if day is None:
        return _no_day
    try:
        fixed = datetime.fromisoformat(str(day))
    except ValueError as error:
        raise ConfigurationError(
            f"{CLOCK} is {day!r}, which is no date; write it as 2026-01-31"
        ) from error
    return fixed.strftime


def _no_day(form: str) -> str:
    raise ConfigurationError(
        f"the chat template writes today's date, so that every prompt would be another tomorrow; "
        f"name the day for good, such as chat.arguments.{CLOCK}={datetime.now().date()} (of a "
        f"teacher of a recipe teachers.NAME.chat.arguments.{CLOCK})"
    )


def _as_transformers(message: Message) -> dict[str, str]:
    """``message`` as templates know it; thinking goes under both of its names."""
    turn = {"role": message.role, "content": message.content}
    if not message.thinking:
        return turn
    return {"thinking": message.thinking, **turn, "reasoning_content": message.thinking}


@contextmanager
def _one_line(digest: str, messages: Sequence[Message]) -> Iterator[None]:
    """Whatever a template raises as one line that says what may be done about it."""
    from specialize.tokens.sandbox import RefusedError, TooMuchError

    which = f"the chat template {digest[:12]}"
    roles = ", ".join(message.role for message in messages)
    try:
        yield
    except ConfigurationError:
        raise
    except RefusedError as error:
        raise InputError(
            f"{which} refuses messages of {roles}: {_short(error)}; leave out the role or the "
            f"order that it does not know"
        ) from error
    except TooMuchError as error:
        raise InputError(f"{which} was stopped: {_short(error)}; use another template") from error
    except RecursionError as error:
        raise InputError(f"{which} was stopped: it calls itself too deeply") from error
    except Exception as error:  # a template can raise anything that Python can
        raise InputError(
            f"{which} cannot be rendered with messages of {roles}: "
            f"{type(error).__name__}: {_short(error)}"
        ) from error


def _short(error: Exception) -> str:
    text = visible(" ".join(str(error).split()))
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "…"


def read_chat_template(directory: Path, named: Mapping[str, str]) -> ChatTemplate | None:
    """The chat template that is kept beside a tokenizer; None where there is none.

    Args:
        directory: holds ``chat_template.jinja``, or a configuration that names one.
        named: special tokens as they are written, by role ("eos"), for those that the
            configurations in ``directory`` do not name.

    Raises:
        InputError: a file that is not JSON.
    """
    source = _source(directory)
    if source is None:
        return None
    tokens = {f"{role}_token": token for role, token in named.items()}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        named_there = read_object(directory / name)
        tokens |= {
            role: token for role in _TOKEN_NAMES if (token := token_content(named_there.get(role)))
        }
    return ChatTemplate(source, tokens)


def token_content(token: Json) -> str | None:
    """A token in a configuration is its text, or an object that holds it."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else None


def _source(directory: Path) -> str | None:
    alone = directory / "chat_template.jinja"
    if alone.is_file():
        return alone.read_text(encoding="utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        found = read_object(directory / name).get("chat_template")
        if isinstance(found, list):  # several by name
            named = {t["name"]: t["template"] for t in found if isinstance(t, dict)}
            found = named.get("default")
        if isinstance(found, str):
            return found
    return None
