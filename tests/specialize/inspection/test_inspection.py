"""A sample in the terminal and as a page: all of it can be seen, and nothing of it runs."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from specialize.errors import ConfigurationError
from specialize.inspection.store import print_sample, readable
from specialize.inspection.store_page import write_page
from specialize.io.visible import visible
from specialize.records import Response
from specialize.store import StoreWriter
from tests.support.store_samples import description, padded_sample

ATTACKS = [
    "</script><img src=x onerror=alert(1)>", "</style><script>alert(1)</script>",
    '" onload="alert(1)" x="', "' style='background:url(//x)", "{{7*7}}{% raw %}", "<!-- -->",
    "\x1b[31mred\x1b]0;title\x07", "[bold]markup[/bold]", "\u202eright", "a\u200bb", "&lt;&amp;",
    "javascript:alert(1)", "]]><svg/onload=alert(1)>",
]  # fmt: skip
TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "pre", "div", "span",
    "figure", "svg", "line", "text", "polyline", "table", "thead", "tbody", "tr", "th", "td",
    "small", "br",
}  # fmt: skip
ATTRIBUTES = {
    "style", "title", "class", "content", "charset", "name", "http-equiv", "lang", "role",
    "tabindex", "aria-label", "width", "height", "viewbox", "points", "x", "y", "x1", "x2", "y1",
    "y2", "text-anchor", "scope",
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A sample whose every text is an attack; token i spells attack i."""
    count, k = len(ATTACKS), 3
    everything = "".join(ATTACKS)
    response = Response(f"toy/{everything}", 0, everything, everything, everything, False)
    ids = (np.arange(count)[:, None] + np.arange(k)) % count
    logprobs = np.log(np.array([0.6, 0.3, 0.05])) + np.zeros((count, k))
    one = padded_sample(
        response, np.arange(count), np.full(count, np.log(0.6)), ids, logprobs,
        np.full(count, np.log(0.05)),
    )  # fmt: skip
    about = description(
        k=k, vocabulary_size=count, teacher=ATTACKS[0], tokenizer=ATTACKS[1], revision=ATTACKS[2]
    )
    with StoreWriter(tmp_path / "store", about, shard_samples=1) as writer:
        writer.write(0, [one])
        writer.finish({i: text.encode() for i, text in enumerate(ATTACKS)}, {})
    return tmp_path / "store"


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def test_the_page_holds_everything_and_runs_nothing(store: Path, tmp_path: Path) -> None:
    write_page(store, None, 0, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    found = Elements()
    found.feed(page)
    for tag, attributes in found.tags:
        assert tag in TAGS, tag
        assert attributes.keys() <= ATTRIBUTES, (tag, attributes)
        assert "url(" not in (attributes.get("style") or "")
    assert "default-src 'none'" in page
    cells = [attributes for tag, attributes in found.tags if tag == "td"]
    assert sum(a.get("class") == "stands" for a in cells) == len(ATTACKS)
    assert len(cells) == len(ATTACKS) * 4  # three entries and the rest
    for attack in ATTACKS:
        assert visible(attack) in found.text
    with pytest.raises(ConfigurationError, match="is there already"):
        write_page(store, None, 0, tmp_path / "page.html")


def test_the_figures_are_the_numbers(store: Path, tmp_path: Path) -> None:
    write_page(store, None, 0, tmp_path / "page.html")
    found = Elements()
    found.feed((tmp_path / "page.html").read_text(encoding="utf-8"))
    lines = {a["class"]: a["points"] for tag, a in found.tags if tag == "polyline"}
    heights = {
        name: {float(point.split(",")[1]) for point in (points or "").split()}
        for name, points in lines.items()
    }
    assert heights == {"own": {48.0}, "stored": {6.0}}  # 120 (1 - .6) and 120 (1 - .95)


def test_the_terminal_shows_no_escape_of_the_text(store: Path) -> None:
    stream = io.StringIO()
    print_sample(store, None, 0, Console(file=stream, width=200, color_system=None))
    said = stream.getvalue()
    assert not {c for c in said if ord(c) < 32 and c != "\n"}
    assert not {"\u202e", "\u200b", "\x7f"} & set(said)
    assert "[bold]markup[/bold]" in said
    assert "␛[31mred" in said


def test_unknown_samples_are_named(store: Path, tmp_path: Path) -> None:
    for look in (
        lambda: print_sample(store, "toy/9", 1, Console(file=io.StringIO())),
        lambda: write_page(store, "toy/9", 1, tmp_path / "none.html"),
    ):
        with pytest.raises(ConfigurationError, match="has no sample 1 of 'toy/9'; it has 1, such"):
            look()
    with StoreWriter(tmp_path / "empty", description(), shard_samples=1) as writer:
        writer.finish({}, {})
    with pytest.raises(ConfigurationError, match="has no samples to show"):
        print_sample(tmp_path / "empty", None, 0, Console(file=io.StringIO()))


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (b" 12", '" 12"'), (b"", "∅"), (b"\n\t", '"↵␉"'), (b"\xff\xc3", '"\\xff\\xc3"'),
        (b"\x00", '"␀"'), ("é你".encode(), '"é你"'), ("\u202e".encode(), '"\\u202e"'),
    ],
)  # fmt: skip
def test_pieces_can_be_read(piece: bytes, expected: str) -> None:
    assert readable(piece) == expected
