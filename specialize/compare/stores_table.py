"""The comparison of two stores for people: a line for all positions, each place and each class."""

from __future__ import annotations

from specialize.compare.clustered import Mean
from specialize.compare.stores import Means, StoreComparison

_HEAD = (
    f"{'':14} {'positions':>9} {'KL [95 %]':>28} {'reverse KL':>10} {'TV':>17} {'top-1':>6} "
    f"{'nats':>9}"
)


def table(found: StoreComparison) -> str:
    """KL(first || second), what is certain of TV, and the nats of the written tokens.

    Nats are those of the second store less those of the first: above 0 the second finds the texts
    less likely.
    """
    lines = [f"{found.texts:,} texts in both", *_left_out(found), _HEAD]
    lines.append(_line("all", found.overall))
    for groups in (found.by_place, found.by_class):
        lines += [_line(name, means) for name, means in groups.items()]
    return "\n".join(lines)


def _left_out(found: StoreComparison) -> list[str]:
    counts = {
        f"only in {found.first}": found.only_first,
        f"only in {found.second}": found.only_second,
        "in other tokens": found.other_tokens,
    }
    return [f"left out: {count:,} {what}" for what, count in counts.items() if count]


def _line(name: str, means: Means) -> str:
    least, most = means["tv_least"].mean, means["tv_most"].mean
    return (
        f"{name:14} {means['top1'].rows:>9,} {_with_interval(means.get('kl')):>28} "
        f"{_value(means.get('reverse')):>10} {f'{least:.2g} - {most:.2g}':>17} "
        f"{means['top1'].mean:>6.3f} {_value(means.get('nats_difference'), '+.2g'):>9}"
    )


def _value(mean: Mean | None, form: str = ".2g") -> str:
    return "-" if mean is None else format(mean.mean, form)


def _with_interval(mean: Mean | None) -> str:
    if mean is None or mean.interval is None:
        return _value(mean)
    low, high = mean.interval
    return f"{mean.mean:.2g} [{max(low, 0):.2g}, {high:.2g}]"
