"""What transformers reports of a model that it has read: which weights were not there."""

from __future__ import annotations

from collections.abc import Collection, Mapping

Report = Mapping[str, Collection[object]]


def missing_weights(report: Report) -> list[str]:
    """The sorted names of weights that no file has, or that have another shape there."""
    missing = [str(key) for key in report["missing_keys"]]
    missing += [str(key[0] if isinstance(key, tuple) else key) for key in report["mismatched_keys"]]
    return sorted(missing)
