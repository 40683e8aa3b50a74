"""Which section is where in a recipe, and its keys under their current names.

section_at(("teachers", "codex", "server"))              Server
renamed_path(["optimization", "max_steps"])              ["optimization", "steps"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from specialize.config.chat import Chat
from specialize.config.recipe import (
    Alignment,
    Dataset,
    Evaluation,
    EvaluationSet,
    Objective,
    Recipe,
    RowFilter,
    Server,
    Teacher,
)
from specialize.config.rounds import Rounds
from specialize.config.section import Strict
from specialize.config.training import Lora, Optimization, Running, Training

_SECTIONS: Mapping[str, type[Strict]] = {
    "train_on": Dataset,
    "unlabelled": Dataset,
    "chat": Chat,
    "teachers": Teacher,
    "objectives": Objective,
    "row_filter": RowFilter,
    "alignment": Alignment,
    "training": Training,
    "optimization": Optimization,
    "lora": Lora,
    "rounds": Rounds,
    "running": Running,
    "server": Server,
    "evaluation": Evaluation,
    "sets": EvaluationSet,
}
_BY_NAME = ("teachers", "average")  # whose keys are teachers' names


def section_at(location: Sequence[int | str]) -> type[Strict]:
    """The section at ``location``, the keys and positions that lead there."""
    section: type[Strict] = Recipe
    for before, key in zip(("", *location), location, strict=False):
        if before not in _BY_NAME:
            section = _SECTIONS.get(str(key), section)
    return section


def current_names(values: Mapping[str, object], at: tuple[str, ...] = ()) -> dict[str, object]:
    """``values``, found at ``at`` in a recipe, under the current names of all keys.

    Raises:
        ConfigurationError: a key is there under two names.
    """
    named = dict(values) if _names_teachers(at) else section_at(at).renamed(values)
    return {key: _below(value, (*at, str(key))) for key, value in named.items()}


def _below(value: object, at: tuple[str, ...]) -> object:
    if isinstance(value, Mapping):
        return current_names(value, at)
    if isinstance(value, list):
        return [_below(each, (*at, str(i))) for i, each in enumerate(value)]
    return value


def renamed_path(keys: Sequence[str], at: tuple[str, ...] = ()) -> list[str]:
    """A path of keys, from ``at`` on, under their current names."""
    path: list[str] = []
    for key in keys:
        here = (*at, *path)
        path.append(key if _names_teachers(here) else section_at(here).current_name(key))
    return path


def _names_teachers(at: Sequence[str]) -> bool:
    return bool(at) and at[-1] in _BY_NAME
