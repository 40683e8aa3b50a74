"""Templates of Markdown: whatever they print is made harmless unless it is markup of our own.

    {{ line.name }}             sort\\_words      a name from data, escaped
    {{ line.change | change }}  +22.3 [+15.4, +28.1]   our own way to write a number

Escaping is the rule and not a filter's business, so that a template cannot forget it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import ParamSpec

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from specialize.report.canvas import Drawing
from specialize.report.cases import Case
from specialize.report.gather import ReportData
from specialize.report.page import resource
from specialize.report.words import (
    change_text,
    headline,
    interval_text,
    percent_text,
    points_text,
    ratio_text,
    reasons,
)

P = ParamSpec("P")

_SHOWN = 6  # predictions in the text; the page and the files have more


def markdown(data: ReportData, drawings: Mapping[str, Sequence[Drawing]]) -> str:
    """The report in short; figures are linked from ``figures/``."""
    return render(
        "report.md.j2",
        data=data,
        drawings=drawings,
        headline=headline(data),
        reasons=reasons(data),
        cases=_picked(data.cases.shown),
        recipe_text=data.recipe.to_yaml(),
    )


def _picked(cases: Sequence[Case]) -> list[Case]:
    """Those that specialization changed, if there are any."""
    changed = [case for case in cases if case.kind in ("fixed", "broken")]
    return (changed or list(cases))[:_SHOWN]


def render(template: str, **values: object) -> str:
    """A template of this package with ``values``; all data in it is escaped."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(resource),
        autoescape=True,  # what a macro returns is markup then; ``finalize`` does the escaping
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "percent": _own(percent_text),
        "interval": _own(interval_text),
        "points": _own(points_text),
        "ratio": _own(ratio_text),
        "change": _own(change_text),
        "fenced": _own(fenced),
        "own": Markup,
    }
    return made


def _own(write: Callable[P, str]) -> Callable[P, Markup]:
    """A filter whose text is not escaped again."""

    def written(*given: P.args, **named: P.kwargs) -> Markup:
        return Markup(write(*given, **named))

    return written


def _harmless(value: object) -> Markup:
    return value if isinstance(value, Markup) else Markup(plain(str(value)))


def plain(text: str) -> str:
    """``text`` on one line, without a character that Markdown or HTML would read as markup."""
    flat = " ".join(text.split())
    escaped = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~!])", r"\\\1", escaped)


def fenced(text: str) -> str:
    """``text`` as a block of code, whatever backticks are in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}\n"
