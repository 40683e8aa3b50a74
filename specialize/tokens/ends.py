"""Every id that ends a text for a model: the tokenizer's, the generation's and the template's.

    Llama 3   tokenizer <|eot_id|>; generation_config [128001, 128008, 128009]; template <|eot_id|>
              ->  (128009, 128001, 128008)
    Gemma 2   tokenizer <eos>; generation_config 1; template <end_of_turn>   ->  (1, 107)

The tokenizer's own end comes first. Where there is no generation configuration the model's
configuration takes its place, as in transformers. A chat template shows which token it writes
after the assistant's words: it is rendered once, around a text that no template has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from specialize.errors import InputError
from specialize.records import Message
from specialize.tokens.chat_template import CLOCK, ChatTemplate
from specialize.tokens.definition import Json
from specialize.tokens.json_files import read_object

_CONTENT = "assistant words"
_CHAT = (Message("user", "user words"), Message("assistant", _CONTENT))


def end_ids(directory: Path, eos: int | None, turn_end: int | None) -> tuple[int, ...]:
    """The ids that end a text for the model or tokenizer in ``directory``, ``eos`` first.

    Args:
        directory: holds whatever there is of ``generation_config.json`` and ``config.json``.
        eos: the tokenizer's own end of sequence.
        turn_end: what its chat template writes after the assistant's words.

    Raises:
        InputError: a file that is not JSON.
    """
    named = [eos, *configured_ends(directory), turn_end]
    return tuple(dict.fromkeys(token for token in named if token is not None))


def configured_ends(directory: Path) -> list[int]:
    """The ids at which the library's ``generate`` stops, as the model's files say."""
    for name in ("generation_config.json", "config.json"):
        config = read_object(directory / name)
        parts = [config, config.get("text_config"), config.get("decoder")]
        for part in parts:
            if isinstance(part, dict) and (found := _ids(part.get("eos_token_id"))):
                return found
    return []


def _ids(value: Json) -> list[int]:
    listed = value if isinstance(value, list) else [value]
    return [i for i in listed if isinstance(i, int) and not isinstance(i, bool) and i >= 0]


def template_end(template: ChatTemplate | None, written: Mapping[str, int]) -> int | None:
    """The first of the tokens ``written`` that ``template`` puts after the assistant's words.

    None where it puts none there, or where it cannot be rendered: it is then of no use for a
    chat either, and asking in that form says why.
    """
    if template is None:
        return None
    try:
        text = template.render(_CHAT, answer=False, arguments={CLOCK: "2026-01-31"})
    except InputError:
        return None
    after = text.rpartition(_CONTENT)[2] if _CONTENT in text else ""
    longest_first = sorted(filter(None, written), key=len, reverse=True)
    found = re.search("|".join(map(re.escape, longest_first)), after) if longest_first else None
    return written[found.group()] if found else None
