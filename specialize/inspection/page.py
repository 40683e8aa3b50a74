"""Alignments and rows as one HTML page without script; whatever a model wrote is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from specialize.inspection.aligned import Aligned
from specialize.inspection.rows import ShownRow
from specialize.inspection.store import shown
from specialize.io.visible import visible

_HUES = 47  # degrees from one group's colour to the next


def aligned_page(found: Aligned) -> str:
    """Teacher row and student row in one colour per group, then every position."""
    return _render(found.title, aligned=found, rows=())


def rows_page(rows: Sequence[ShownRow], title: str) -> str:
    """Prompt and target of every row, with the mass of every position."""
    return _render(title, aligned=None, rows=rows)


def _render(title: str, *, aligned: Aligned | None, rows: Sequence[ShownRow]) -> str:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"piece": shown, "visible": visible}
    template = (files("specialize.inspection") / "page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        title=title, aligned=aligned, rows=rows, hues=_HUES
    )
