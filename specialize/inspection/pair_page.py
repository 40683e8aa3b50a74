"""A pair's forecast as one HTML page without script, in the report's own look."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from specialize.errors import ConfigurationError
from specialize.io.files import write_atomically
from specialize.io.units import bytes_text, duration_text
from specialize.io.visible import visible
from specialize.pairs.stage import special_use
from specialize.records import Json
from specialize.report.page import environment, resource

_ROWS = {
    "assumed": "simulated: n-grams over the texts, as sharp as a large model usually is",
    "scored": "the teacher's own, of these texts",
    "stored": "those of the store",
}


def write_pair_page(judged: Mapping[str, Json], out: Path) -> None:
    """Write the page of what ``judge`` found to ``out``.

    Raises:
        ConfigurationError: ``out`` is there already.
    """
    if out.exists():
        raise ConfigurationError(f"{out} is there already; name a new file or remove it first")
    write_atomically(out, pair_page(judged).encode())


def pair_page(judged: Mapping[str, Json]) -> str:
    """The page's text; whatever comes from tokenizers and templates is escaped."""
    made = environment().overlay()
    made.filters = {
        **made.filters, "visible": visible, "bytes": bytes_text, "duration": duration_text,
    }  # fmt: skip
    template = (files("specialize.inspection") / "pair_page.html.j2").read_text(encoding="utf-8")
    return made.from_string(template).render(
        judged=judged,
        rows=_ROWS.get(str(judged["rows"]), ""),
        use=special_use,
        style=Markup(resource("page.css")),
    )
