"""Where a student's texts end: its tokenizer and its generation configuration must agree.

Targets end with the tokenizer's end of sequence; a program that loads the saved student stops where
its ``generation_config.json`` says. Where the second lacks the first, a student would learn an end
that nobody sees::

    tokenizer </s> (2), generation_config 128009   ->  named, and saved with [2, 128009]
"""

from __future__ import annotations

import logging

from transformers import PreTrainedModel

from specialize.tokens import Tokenizer

_log = logging.getLogger(__name__)


def agree_on_ends(model: PreTrainedModel, tokenizer: Tokenizer, name: str) -> None:
    """``stop_at_all_ends`` of a student, which is warned of if its sides differ.

    Args:
        model: its generation configuration is changed, with which it will be saved.
        tokenizer: the student's.
        name: of the student, for the warning.
    """
    stops = generation_ends(model)
    if tokenizer.eos is not None and tokenizer.eos not in stops:
        _log.warning(
            "student %s: its tokenizer ends a text with id %d, but its generation configuration "
            "with %s; it learns the tokenizer's end and is saved with both",
            name, tokenizer.eos, ", ".join(map(str, stops)) or "nothing",
        )  # fmt: skip
    stop_at_all_ends(model, tokenizer)


def stop_at_all_ends(model: PreTrainedModel, tokenizer: Tokenizer) -> None:
    """Make ``model`` end its texts at every end of its own and of ``tokenizer``.

    A chat model may be published with one of them alone (a GGUF file names one, Gemma's tokenizer
    another than its template writes).
    """
    stops = generation_ends(model)
    ends = list(dict.fromkeys([*tokenizer.ends, *stops]))
    if model.generation_config is not None and set(ends) != set(stops):
        model.generation_config.eos_token_id = ends[0] if len(ends) == 1 else ends


def generation_ends(model: PreTrainedModel) -> list[int]:
    """The ids at which the library's ``generate`` stops."""
    configured = model.generation_config
    ends = None if configured is None else configured.eos_token_id
    if ends is None:
        ends = model.config.get_text_config(decoder=True).eos_token_id
    return [ends] if isinstance(ends, int) else list(ends or ())
