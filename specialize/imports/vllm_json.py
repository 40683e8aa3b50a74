r"""Log-probabilities that vLLM, an OpenAI client or axolotl kept as JSON lines -> a store.

One record a line, of any of these kinds; every token is named by its id::

    {"id": "gsm8k/train/00007", "prompt": "...", "choices": [{"logprobs": {"tokens":
     ["token_id:3"], "token_logprobs": [-.1], "top_logprobs": [{"token_id:3": -.1, ...}]}}]}
    {"custom_id": "...", "response": {"body": {"choices": [{"message": {...}, "logprobs":
     {"content": [{"token": "token_id:3", "logprob": -.1, "top_logprobs": [...]}]}}]}}}
    {"prompt": "...", "text": "...", "logprobs": [[{"token": "token_id:3", "logprob": -.1}], ...]}
    {"input_ids": [...], "target_token_ids": [[3, 9], ...], "logprobs": [[-.1, -2.4], ...]}

The last two are axolotl's (axolotl/integrations/kd/chat_template.py, version 1 and 2): rows
belong to the last tokens of the text. vLLM names ids with ``return_tokens_as_token_ids``; tokens
that are named by their text are dropped, because several ids may have one text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from specialize.answers import Kind
from specialize.datasets.reading import json_lines
from specialize.imports.finish import finish_of
from specialize.imports.own_tokens import own_logprob
from specialize.imports.replies import SHARD_SAMPLES, Import, Kept, in_groups, write_kept
from specialize.records import Example
from specialize.store.sealed import Json
from specialize.teacher.served.wire import BadReplyError, Entries, Reply
from specialize.tokens import Tokenizer, load_tokenizer

_TOKEN = re.compile(r"token_id:(\d+)")
_EXPECTED = "JSON lines with log-probabilities of vLLM, an OpenAI client or axolotl"
_NO_FORM = "not of a known form"
_APART = ("reasoning_content", "reasoning", "tool_calls", "function_call")
Record = Mapping[str, Json]


def import_json(
    source: Path,
    out: Path,
    *,
    tokenizer: str,
    teacher: str,
    top_k: int = 5,
    temperature: float | None = None,
    examples: Sequence[Example] = (),
    kind: Kind = "number",
    restart: bool = False,
) -> dict[str, Json]:
    """Write every record of ``source`` whose rows hold into the store ``out``.

    Args:
        tokenizer: the teacher's, a directory or hub id.
        teacher: its name, for the store.
        top_k: entries a position; a record with fewer is dropped.
        temperature: at which the texts were sampled; above 1 tokens may miss their rows' entries.
        examples: whose answers judge the texts; a record must then have the id or question of one.

    Raises:
        InputError: the file is not JSON lines, and names the line; or its rows are not those of its
            tokens, and says which shift would fit.
        NothingPassedError: no record is left.
    """
    loaded = load_tokenizer(tokenizer)
    made = Import(teacher, loaded, top_k, loaded.size, examples, kind, temperature)

    def read() -> Iterator[Kept]:
        for number, (_, record) in enumerate(json_lines(source, _EXPECTED)):
            yield from _records(_record(record), f"{source.stem}/{number:06d}", loaded)

    return write_kept(
        out, [source], lambda _: in_groups(read(), SHARD_SAMPLES), made,
        settings={"format": "json"}, restart=restart,
    )  # fmt: skip


def _record(values: Mapping[str, object]) -> Record:
    """What a JSON parser made of a line."""
    return cast(Record, values)


def _records(record: Record, name: str, tokenizer: Tokenizer) -> Iterator[Kept]:
    named = record.get("custom_id") or record.get("id")
    identity = named if isinstance(named, str) else name
    prompt = record.get("prompt")
    asked = prompt if isinstance(prompt, str) else ""
    try:
        body = _body(record)
        if body is not None and isinstance(body.get("choices"), list):
            choices = _objects(body["choices"])
            replies = [_of_choice(choice, tokenizer) for choice in choices]
            _check_usage(body, replies)
            for choice, reply in zip(choices, replies, strict=True):
                yield Kept(identity, asked, reply, _shown(choice))
        else:
            yield Kept(identity, asked, _of_rows(record, asked, tokenizer))
    except BadReplyError as error:
        yield Kept(identity, asked, str(error))
    except (KeyError, ValueError):
        yield Kept(identity, asked, _NO_FORM)


def _body(record: Record) -> Record | None:
    """What the server answered; a batch's line has it deeper inside."""
    if "choices" in record:
        return record
    response = record.get("response")
    if not isinstance(response, dict):
        return None
    body = response.get("body", response)
    return body if isinstance(body, dict) else None


def _check_usage(body: Record, replies: Sequence[Reply]) -> None:
    """The server counts what it wrote, the end of each text or not; fewer tokens were lost."""
    usage = body.get("usage")
    counted = usage.get("completion_tokens") if isinstance(usage, dict) else None
    kept = sum(len(reply.tokens) for reply in replies)
    if isinstance(counted, int) and not kept <= counted <= kept + len(replies):
        raise BadReplyError("the server counts other tokens than are kept")


def _of_choice(choice: Record, tokenizer: Tokenizer) -> Reply:
    if choice["logprobs"] is None:
        raise BadReplyError("no log-probabilities")
    logprobs = _object(choice["logprobs"])
    if "content" in logprobs:
        rows = _objects(logprobs["content"])
        tokens = tuple(_id(row["token"]) for row in rows)
        own = tuple(_number(row["logprob"]) for row in rows)
        entries = tuple(_entries(row["top_logprobs"]) for row in rows)
    else:
        tokens = tuple(map(_id, _list(logprobs["tokens"])))
        own = tuple(map(_number, _list(logprobs["token_logprobs"])))
        entries = tuple(
            tuple((_id(token), _number(value)) for token, value in row.items())
            for row in _objects(logprobs["top_logprobs"])
        )
    finish = finish_of(choice.get("finish_reason"), tokens, tokenizer.ends)
    return Reply(tokens, own, entries, None, finish)


def _shown(choice: Record) -> str | None:
    """The text beside the tokens, where all of it is there: a message may hold part of it apart."""
    message = choice.get("message")
    if not isinstance(message, dict):
        shown = choice.get("text")
    elif any(message.get(apart) for apart in _APART):
        return None
    else:
        shown = message.get("content")
    return shown if isinstance(shown, str) and shown else None


def _of_rows(record: Record, prompt: str, tokenizer: Tokenizer) -> Reply:
    """axolotl's rows, which belong to the last tokens."""
    logprobs = _list(record["logprobs"])
    if "target_token_ids" in record:
        pairs = zip(_list(record["target_token_ids"]), logprobs, strict=True)
        rows = [
            tuple((_whole(i), _number(v)) for i, v in zip(_list(ids), _list(values), strict=True))
            for ids, values in pairs
        ]
    else:
        rows = [_entries(row) for row in logprobs if row]
    if "input_ids" in record:
        ids = [_whole(token) for token in _list(record["input_ids"])]
    else:
        text = record["text"]
        if not isinstance(text, str):
            raise BadReplyError(_NO_FORM)
        ids = tokenizer.encode(prompt + text if text and prompt else text)
    if not rows or len(rows) > len(ids):
        raise BadReplyError("more rows than tokens" if rows else "no log-probabilities")
    tokens = ids[len(ids) - len(rows) :]
    own = [own_logprob(token, row) for token, row in zip(tokens, rows, strict=True)]
    finish = finish_of(record.get("finish_reason"), tokens, tokenizer.ends)
    return Reply(tuple(tokens), tuple(own), tuple(rows), None, finish)


def _entries(row: Json) -> Entries:
    return tuple((_id(entry["token"]), _number(entry["logprob"])) for entry in _objects(row))


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise BadReplyError(_NO_FORM)
    return value


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise BadReplyError(_NO_FORM)
    return value


def _objects(value: Json) -> list[dict[str, Json]]:
    return [_object(item) for item in _list(value)]


def _id(token: Json) -> int:
    found = _TOKEN.fullmatch(token) if isinstance(token, str) else None
    if found is None:
        raise BadReplyError("tokens are named by their text, not by their id")
    return int(found[1])


def _whole(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadReplyError("an id that is no whole number")
    return value


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadReplyError("a log-probability that is no number")
    return float(value)
