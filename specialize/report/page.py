"""The report as one HTML page: no other file, no request, no markup from data.

Everything that comes from models and data sets is escaped by the template; the only script is our
own, allowed by its hash; the policy in the page's head forbids all else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from specialize.report.canvas import FAINT, INK, Drawing
from specialize.report.cases import KINDS
from specialize.report.gather import ReportData
from specialize.report.readings import MODES
from specialize.report.words import (
    change_text,
    headline,
    interval_text,
    percent_text,
    points_text,
    ratio_text,
    reasons,
    short_name,
)


def html_page(data: ReportData, drawings: Mapping[str, Sequence[Drawing]]) -> str:
    """The page's text."""
    script = resource("filter.js")
    template = environment().get_template("page.html.j2")
    return template.render(
        data=data,
        drawings=drawings,
        headline=headline(data),
        reasons=reasons(data),
        kinds=[kind for kind in KINDS if any(c.kind == kind for c in data.cases.shown)],
        modes=MODES,
        compared={c.checkpoint: c for c in data.selection.compared} if data.selection else {},
        case_sets=list(dict.fromkeys(case.set for case in data.cases.shown)),
        recipe_text=data.recipe.to_yaml(),
        style=Markup(resource("page.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


@cache
def environment() -> Environment:
    """Templates that escape all data, with the report's way to write numbers."""
    made = Environment(
        loader=FunctionLoader(resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": percent_text,
        "interval": interval_text,
        "points": points_text,
        "ratio": ratio_text,
        "change": change_text,
        "inline": _inline,
        "short": short_name,
        "breakable": _breakable,
    }
    return made


def _breakable(name: str) -> Markup:
    """A name that a narrow column may break after its marks, and nowhere else."""
    return Markup(re.sub(r"([_\-/.])(?=\w)", r"\1<wbr>", str(escape(name))))


def resource(name: str) -> str:
    """A file of this package."""
    return (files("specialize.report") / name).read_text(encoding="utf-8")


def _inline(drawing: Drawing) -> Markup:
    """A figure's SVG as part of the page: its colours follow the page's, its ids are its own.

    The SVG was written by matplotlib, which escapes the texts in it.
    """
    svg = drawing.svg[drawing.svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{drawing.name}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{drawing.name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{drawing.name}-\1)", svg)
    svg = svg.replace(INK, "currentColor").replace(FAINT, "var(--line)")
    svg = svg.replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans'")
    label = escape(drawing.caption)
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1))
