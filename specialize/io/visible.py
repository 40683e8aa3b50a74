"""Text of unknown origin made safe to show: nothing in it is invisible or steers a terminal.

"a\\x1b[31mb"  ->  "a␛[31mb"
"""

from __future__ import annotations

import unicodedata

# an arrow for the line end: it is the one that is met, and few fonts have the pictures
_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x0A: ord("↵"), 0x7F: 0x2421}
_LINES = {code: picture for code, picture in _PICTURES.items() if chr(code) not in "\n\t"}


def visible(text: str) -> str:
    """``text`` on one line: control characters as pictures, what shows nothing as escapes.

    Escapes also replace what turns the direction of writing, line separators and code points
    without a character.
    """
    return _escaped(text.translate(_PICTURES))


def visible_lines(text: str) -> str:
    """``visible``, but line feeds and tabs stay as they are."""
    return "".join(c if c in "\n\t" else _escaped(c) for c in text.translate(_LINES))


def _escaped(text: str) -> str:
    hidden = ("Cc", "Cf", "Zl", "Zp", "Co", "Cn", "Cs")
    return "".join(c if unicodedata.category(c) not in hidden else f"\\u{ord(c):04x}" for c in text)
