"""Of which target tokens a run learned, where not all carried the loss: ``learned_tokens.json``.

    {"cot": {"learned_tokens": 4200, "no_row_passes": 3, "rows_filtered": 4210,
             "target_tokens": 8410}}

What is missing between the two totals was filtered out, or was thinking that is only read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from specialize.errors import StoreError
from specialize.io.files import write_atomically

FILE = "learned_tokens.json"
_KEPT = ("target_tokens", "learned_tokens", "rows_filtered", "no_row_passes")


def record_learned(run: Path, counts: Mapping[str, Mapping[str, int]]) -> None:
    """Note the objectives of which not every target token is learned; nothing where all are.

    Args:
        counts: those of the run's rows, by objective.
    """
    some = {
        name: {key: found[key] for key in _KEPT if key in found}
        for name, found in counts.items()
        if "learned_tokens" in found or found.get("no_row_passes")
    }
    if some:
        write_atomically(run / FILE, json.dumps(some, sort_keys=True).encode())


def told_learned(run: Path) -> list[str]:
    """A sentence for each objective of which not every target token was learned.

    Raises:
        StoreError: the record is damaged.
    """
    path = run / FILE
    if not path.is_file():
        return []
    try:
        return [_told(name, counts) for name, counts in json.loads(path.read_bytes()).items()]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path} is damaged: {error}") from None


def _told(name: str, counts: Mapping[str, int]) -> str:
    total = counts["target_tokens"]
    learned = counts.get("learned_tokens", total)
    filtered, empty = counts.get("rows_filtered", 0), counts.get("no_row_passes", 0)
    reasons = [f"row_filter took out {filtered:,}"] * bool(filtered)
    reasons += [f"{empty:,} responses had no row left"] * bool(empty)
    why = f" ({', '.join(reasons)})" if reasons else ""
    return f"Objective {name}: {learned:,} of {total:,} target tokens carried the loss{why}."
