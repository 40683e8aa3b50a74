"""Numbers, times and sizes as people write them.

12345 -> 12,345     43000 seconds -> 11.9 h     1_500_000 bytes -> 1.5 MB
"""

from __future__ import annotations


def number_text(value: float) -> str:
    """Whole numbers with all their digits, others with three."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"


def duration_text(seconds: float) -> str:
    """Half a day is not read in seconds, nor a second in hours."""
    if seconds < 600:
        return f"{number_text(seconds)} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def bytes_text(count: float) -> str:
    """A size in the largest unit of which it has one."""
    units = ("bytes", "kB", "MB", "GB", "TB")
    power = min((len(str(int(count))) - 1) // 3, len(units) - 1)
    return f"{count / 1000**power:,.{1 if power else 0}f} {units[power]}"
