"""JSON schemas (draft 2020-12) of every file that others may read or write.

    schema("manifest")  {"type": "object", "properties": {"body": {...}, "crc32": {...}}, ...}

``recipe`` describes a recipe's YAML; ``store``, ``manifest``, ``summary`` and ``texts`` a store's
files, of which manifest and texts hold one such object a line; ``predictions`` a line of them;
``figures`` what `specialize plan` reads, ``plan`` what it prints with --json.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

from pydantic import TypeAdapter

from specialize.artifacts.predictions import Prediction
from specialize.config.recipe import Recipe
from specialize.errors import ConfigurationError
from specialize.planning.figures import Figures
from specialize.planning.stage import Plan
from specialize.records import Role
from specialize.store.description import FORMAT_VERSION
from specialize.store.sealed import Json

Schema = dict[str, Json]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_ANYTHING: Schema = {"type": "object"}
_COUNTS: Schema = {"type": "object", "additionalProperties": {"type": "integer"}}
_HASH: Schema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _sealed(body: Schema) -> Schema:
    """A line with a seal; the CRC-32 is of the bytes of ``body``."""
    return _object({"body": body, "crc32": {"type": "string", "pattern": "^[0-9a-f]{8}$"}})


_MARK = _object({"bytes": _COUNT, "xxh3_128": _HASH})


def _store() -> Schema:
    values: dict[str, Schema] = {
        "format_version": {"const": FORMAT_VERSION},
        "shard_samples": {"type": "integer", "minimum": 1},
        "kind": {"enum": ["responses", "targets"]},
        **dict.fromkeys(("teacher", "revision", "dtype", "tokenizer", "fingerprint"), _TEXT),
        "vocabulary_size": {"type": "integer", "minimum": 0, "exclusiveMaximum": 2**31},
        "k": {"type": "integer", "minimum": 0, "maximum": 65_535},
        "temperature": _nullable({"type": "number"}),
        **dict.fromkeys(("prompt", "dataset"), _TEXT),
        "settings": _ANYTHING,
        "codec": {"enum": ["f16", "f32"]},
        "tail_temperatures": {
            "type": "array", "items": {"type": "number", "exclusiveMinimum": 0},
            "uniqueItems": True,
        },
        "layout": {"const": "ragged"},
    }  # fmt: skip
    return _sealed(_object(values, optional=("layout",)))


def _manifest() -> Schema:
    values: dict[str, Schema] = {
        "name": {"type": "string", "pattern": "^[0-9]{5,}$"},
        "shard": _COUNT, "samples": _COUNT, "positions": _COUNT,
        "arrays": _MARK, "texts": _MARK, "keys_xxh3_128": _HASH, "counts": _COUNTS,
    }  # fmt: skip
    return _sealed(_object(values))


def _summary() -> Schema:
    values: dict[str, Schema] = {
        "store": _MARK, "manifest": _MARK, "vocabulary": _nullable(_MARK),
        "shards": _COUNT, "samples": _COUNT, "positions": _COUNT, "counts": _COUNTS,
        "summary": _ANYTHING,
    }  # fmt: skip
    return _sealed(_object(values))


def _texts() -> Schema:
    turn = _object(
        {"role": {"enum": list(get_args(Role))}, "content": _TEXT, "thinking": _TEXT},
        optional=("thinking",),
    )
    turns: Schema = {"type": "array", "items": turn, "minItems": 1}
    chat = _object({"messages": turns, "arguments": _ANYTHING}, optional=("arguments",))
    values: dict[str, Schema] = {
        "example_id": _TEXT, "sample": _COUNT, "text": _TEXT, "answer": _nullable(_TEXT),
        "correct": _nullable({"type": "boolean"}), "prompt_of": _COUNT,
        "prompt": {"anyOf": [_TEXT, chat]}, "finished": {"const": False},
        "thinking": _TEXT, "thinking_tokens": _COUNT,
    }  # fmt: skip
    optional = ("prompt", "prompt_of", "finished", "thinking", "thinking_tokens")
    found = _object(values, optional=optional)
    return found | {"oneOf": [{"required": ["prompt"]}, {"required": ["prompt_of"]}]}


SCHEMAS: Mapping[str, Callable[[], Schema]] = {
    "recipe": Recipe.model_json_schema,
    "store": _store,
    "manifest": _manifest,
    "summary": _summary,
    "texts": _texts,
    "predictions": TypeAdapter(Prediction).json_schema,
    "figures": Figures.model_json_schema,
    "plan": TypeAdapter(Plan).json_schema,
}


def schema(name: str) -> Schema:
    """The schema called ``name``.

    Raises:
        ConfigurationError: there is none of this name.
    """
    if name not in SCHEMAS:
        raise ConfigurationError(f"no schema {name!r}; there are: {', '.join(SCHEMAS)}")
    return {"$schema": _DIALECT, **SCHEMAS[name](), "title": name}
