"""Stored rows at another temperature: what a teacher with softmax(z / T) would have given.

    T = 1   {" $": .9, " a": .09}  tail .01        T = 2   {" $": .71, " a": .22}  tail .07

Entries at temperature T are the T-th roots of those at 1, up to a factor. The tail is not: it
depends on every token in it, so it is taken from all logits when a teacher is asked
(``tail_temperatures``), and the entries share what it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from align.sparse import SparseDistributions
from specialize.errors import ConfigurationError
from specialize.store import Shard, Store, StoreDescription

ROW_TEMPERATURE = "row_temperature"  # the key of a store's settings


def tail_column(store: Store, temperature: float) -> int | None:
    """Which of the store's tempered tails belongs to ``temperature``; None at 1, or of texts alone.

    Raises:
        ConfigurationError: no tail was stored at this temperature.
    """
    stored = store.description.tail_temperatures
    if temperature == 1 or not store.description.k:
        return None
    if temperature not in stored:
        raise ConfigurationError(
            f"{store.path} holds no tails at temperature {temperature:g} (those it holds: "
            f"{', '.join(f'{t:g}' for t in stored) or 'at 1 alone'}); dump the teacher with "
            f"tail_temperatures: [{temperature:g}]"
        )
    return stored.index(temperature)


@dataclass(frozen=True, slots=True)
class Warmth:
    """At which temperature rows are projected, and which of the tempered tails belongs to it."""

    temperature: float = 1.0
    column: int | None = None

    def of(self, shard: Shard) -> Shard:
        """``shard`` with its rows at this temperature."""
        if self.column is None:
            return shard
        tails = shard.tempered_tails[:, self.column]
        rows = tempered(shard.distributions, tails, self.temperature)
        return replace(shard, distributions=rows, tempered_tails=shard.tempered_tails[:, :0])


def row_temperature(description: StoreDescription) -> float:
    """The temperature of the rows in a store."""
    found = description.settings.get(ROW_TEMPERATURE, 1.0)
    return float(found) if isinstance(found, int | float) else 1.0


def tempered(
    rows: SparseDistributions, tails: NDArray[np.float32], temperature: float
) -> SparseDistributions:
    """``rows`` at ``temperature``.

    Args:
        rows: at temperature 1.
        tails: (R,) float32 nats, outside the entries at ``temperature``.
        temperature: above 0.
    """
    powers = rows.logprobs.astype(np.float64) / temperature
    mass = -np.expm1(tails.astype(np.float64))  # what the entries share
    owner = rows.row_of_entry()
    total = np.bincount(owner, weights=np.exp(powers), minlength=len(rows))
    with np.errstate(divide="ignore"):
        factor = np.log(mass) - np.log(total)
    logprobs = np.minimum(powers + factor[owner], 0).astype(np.float32)
    return replace(rows, logprobs=logprobs, tail=tails.astype(np.float32))
