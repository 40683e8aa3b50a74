"""The JSON files beside a tokenizer: configurations that may or may not be there."""

from __future__ import annotations

import json
from pathlib import Path

from specialize.errors import InputError
from specialize.tokens.definition import Json


def read_object(path: Path) -> dict[str, Json]:
    """The JSON object in ``path``; empty where there is no such file or no object in it.

    Raises:
        InputError: the file is not JSON.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    return content if isinstance(content, dict) else {}
