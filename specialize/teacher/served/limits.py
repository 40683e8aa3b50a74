"""Limits of requests and tokens a minute: each request waits for its turn, evenly spaced.

A limit of 60 requests a minute lets one go every second. Requests that wait keep their order.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pace:
    """Lets through at most ``per_minute`` units a minute; None: no limit."""

    per_minute: int | None
    _free: float = field(default=0.0, init=False)  # the loop's time from which the next may go

    async def turn(self, units: int) -> None:
        """Return when ``units`` may be used; units beyond a minute's worth wait longer."""
        if self.per_minute is None:
            return
        now = asyncio.get_running_loop().time()
        start = max(now, self._free)
        self._free = start + 60.0 * units / self.per_minute
        if start > now:
            await asyncio.sleep(start - now)
