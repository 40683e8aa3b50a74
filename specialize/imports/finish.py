"""How a text ended, from the words that services and programs use for it.

"stop", "end_turn", "eos_token"            an end was seen
"length", "MAX_TOKENS", "model_length"     a limit cut the text
no word                                    seen only where the last token is an end
"""

from __future__ import annotations

from collections.abc import Sequence

from specialize.store.sealed import Json
from specialize.teacher.protocol import Finish
from specialize.teacher.served.wire import BadReplyError

CUT = "cut by length"
_LIMITS = frozenset(
    {"length", "limit", "max_tokens", "max_length", "max_new_tokens", "max_output_tokens",
     "max_completion_tokens", "max_token", "model_length", "model_context_window_exceeded",
     "context_length", "context_length_exceeded", "token_limit", "incomplete", "truncated",
     "content_filter", "safety", "recitation", "abort", "aborted", "cancelled", "error",
     "error_limit", "error_toxic", "timeout"}
)  # fmt: skip
_ENDS = frozenset(
    {"stop", "stopped", "eos", "eos_token", "end", "ended", "end_turn", "end_of_text",
     "endoftext", "stop_sequence", "stop_word", "stop_words", "stop_token", "complete",
     "completed", "finished", "done", "tool_calls", "tool_use", "function_call"}
)  # fmt: skip


def finish_of(reason: Json, tokens: Sequence[int] = (), ends: Sequence[int] = ()) -> Finish:
    """How a text ended; ``given`` where nothing says so.

    Args:
        reason: the word, or an object with it as ``type``, in any case; None: there is none.
        tokens: of the text.
        ends: every id that ends a text of this teacher.

    Raises:
        BadReplyError: a word that is not known.
    """
    if isinstance(reason, dict):
        reason = reason.get("type")
    last = bool(tokens) and tokens[-1] in ends
    if reason is None or reason == "":
        return "eos" if last else "given"
    if not isinstance(reason, str):
        raise BadReplyError("ended for an unknown reason")
    word = reason.strip().casefold().replace("-", "_").replace(" ", "_")
    word = word.removeprefix("finish_reason_").removeprefix("finishreason.")
    if word in _LIMITS:
        return "length"
    if word not in _ENDS:
        raise BadReplyError("ended for an unknown reason")
    return "eos" if last else "stop"
