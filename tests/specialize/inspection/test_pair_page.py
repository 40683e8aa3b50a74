"""The page of a forecast: every figure of the object, nothing of others as markup, no request."""

from __future__ import annotations

import json
import re
from functools import cache
from html import unescape
from pathlib import Path

import pytest

from specialize.errors import ConfigurationError
from specialize.inspection.pair_page import pair_page, write_pair_page
from specialize.pairs.evidence import Given, assume
from specialize.pairs.stage import judge
from specialize.records import Json
from tests.specialize.report.test_report_browser import AXE, BROWSER, axe_says, open_page
from tests.support.chat_families import TEXTS, family_tokenizer

ATTACK = "<script>alert(1)</script>\x1b[31m"


@cache
def _judged() -> dict[str, Json]:
    evidence = assume(family_tokenizer("qwen3"), [Given(text) for text in TEXTS])
    return judge(evidence, family_tokenizer("gemma2"), responses=1_000)


def _attacked(value: Json) -> Json:
    """Every text that a tokenizer or template has a hand in, with markup in it."""
    judged = json.loads(json.dumps(value))
    for key in ("teacher", "student"):
        judged[key] += ATTACK
    judged["warnings"] = [sentence + ATTACK for sentence in judged["warnings"]]
    judged["ends"] = {form: name + ATTACK for form, name in judged["ends"].items()}
    for row in judged["specials"]:
        row |= {key: row[key] + ATTACK for key in ("name", "becomes", "note")}
    return judged


def test_a_page_says_what_the_object_says() -> None:
    judged = _judged()
    text = unescape(re.sub(r"<[^>]+>", " ", pair_page(judged)))
    sizes, specials, warnings = judged["k"], judged["specials"], judged["warnings"]
    assert isinstance(sizes, dict)
    assert isinstance(specials, list)
    assert isinstance(warnings, list)
    for size in sizes.values():
        for part in (size, *size["by_class"].values()):
            if part["total_variation"] is not None:
                assert f"{part['total_variation']:.3f}" in text
    shown = "".join(text.split())
    for row in specials:
        assert "".join(row["name"].split()) in shown
    assert len(warnings) >= 3
    for warning in warnings:
        assert warning in text


def test_nothing_of_others_is_markup() -> None:
    page = pair_page(_attacked(_judged()))
    assert "<script" not in page
    assert "\x1b" not in page
    assert page.count("&lt;script") > 10
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)


def test_a_page_is_never_written_over(tmp_path: Path) -> None:
    write_pair_page(_judged(), tmp_path / "pair.html")
    with pytest.raises(ConfigurationError, match=r"pair\.html is there already; name a new file"):
        write_pair_page(_judged(), tmp_path / "pair.html")


WIDTH = """
const wide = document.documentElement;
document.title = "TOLD" + (wide.scrollWidth - wide.clientWidth);
"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_a_phone_does_not_scroll_sideways(tmp_path: Path) -> None:
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", pair_page(_judged()))
    page = tmp_path / "pair.html"
    page.write_text(f"{html}<script>{WIDTH}</script>", encoding="utf-8")
    done = open_page(page, tmp_path)
    assert re.search(r"TOLD(-?\d+)</title>", done.stdout)[1] == "0"


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None or AXE is None, reason="no chromium or axe-core here")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(tmp_path: Path, scheme: str) -> None:
    told = axe_says(pair_page(_judged()), tmp_path, scheme)
    assert told["violations"] == []
    assert told["dark"] is (scheme == "dark")
