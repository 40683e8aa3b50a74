"""How many processes align shards at once."""

from __future__ import annotations

MOST = 8  # more wait for the one that learns and writes
EACH = 4  # shards of a process at least: with fewer it costs more than it saves (docs/results.md)
