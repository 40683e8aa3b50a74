"""Characters used in place of others: fullwidth forms, and the many minus signs and commas.

One worked record: ``plain_characters("＄１２，５００ − ３")`` is ``"$12,500 − 3"``. Each character
is replaced by one, so that offsets stay the same.
"""

from __future__ import annotations

_FULLWIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_PLAIN = _FULLWIDTH | {
    ord(found): ord(plain)
    for plain, every in {
        "-": "\u2010\u2011\u2012\u207b\ufe63\uff0d",  # hyphens, figure dash, superscript, small
        ",": "\u201a\u066c\ufe50",  # low quotation mark, Arabic thousands, small
        " ": "\u3000",
        ".": "\u066b",
    }.items()
    for found in every
}


def plain_characters(text: str) -> str:
    """``text`` with ASCII in place of fullwidth forms, hyphens as minus signs, plain commas."""
    return text if text.isascii() else text.translate(_PLAIN)
