"""Recipes as YAML files: strict reading, overrides, errors that name the key.

    read_recipe(Path("gsm8k.yaml"), ["optimization.steps=200"]) -> Recipe

Unknown keys are refused with the nearest known one, a repeated key is an error, and
numbers such as ``1e-5`` (which YAML reads as text) become numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from specialize.config.bounded_yaml import Value, read_yaml
from specialize.config.compare import conflicts
from specialize.config.recipe import Recipe, Teacher
from specialize.config.sections import current_names, renamed_path, section_at
from specialize.errors import ConfigurationError
from specialize.io.files import refuse_links_outside, write_atomically

_A_TEACHER = ("teachers", "")  # where a lone teacher's settings would be in a recipe


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML file, with ``key.key=value`` overrides applied.

    Args:
        path: of the file.
        overrides: in order; a later one of the same key counts.

    Returns:
        The recipe, all of its keys checked.

    Raises:
        ConfigurationError: the file is missing or no YAML, a key is unknown or repeated, or
            a value is not what its key wants; the message names the key.
    """
    named = current_names(read_mapping(path, "recipe"))
    for override in overrides:
        _override(named, override)
    return build_recipe(named, where=f"recipe {path}")


def read_mapping(path: Path, what: str) -> dict[str, Value]:
    """The keys and values in a YAML file; errors say ``what`` the file is.

    Raises:
        ConfigurationError: the file is missing, no YAML, or holds something else.
    """
    try:
        values = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{what} {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{what} {path} is not UTF-8 text") from None
    except ValueError as error:
        raise ConfigurationError(f"{what} {path}: {error}") from None
    if not isinstance(values, dict):
        raise ConfigurationError(
            f"{what} {path} must be a mapping of keys, got {type(values).__name__}"
        )
    return values


def override_recipe(recipe: Recipe, overrides: Sequence[str], *, where: str = "recipe") -> Recipe:
    """``recipe`` with ``key.key=value`` overrides applied and checked."""
    values = recipe.model_dump(mode="json")
    for override in overrides:
        _override(values, override)
    return build_recipe(values, where=where)


def build_recipe(values: Mapping[str, object], *, where: str = "recipe") -> Recipe:
    """A recipe from plain values; errors name ``where`` and the key."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(f"{where}: {explain(error, _keys_at)}") from None


def build_teacher(values: Mapping[str, object], overrides: Sequence[str] = ()) -> Teacher:
    """A teacher's settings from plain values and overrides; errors name the key."""
    changed = current_names(values, _A_TEACHER)
    for override in overrides:
        _override(changed, override, _A_TEACHER)
    try:
        return Teacher.model_validate(changed)
    except ValidationError as error:
        raise ConfigurationError(explain(error, _keys_at)) from None


def record_recipe(recipe: Recipe, run: Path) -> None:
    """Write ``run/recipe.yaml``, or check that the run was begun with the same recipe.

    ``compare`` says what may change between calls; what decides the weights may not.

    Raises:
        ConfigurationError: the run was begun with another recipe; names the keys and both values.
    """
    check_recorded(recipe, run)
    write_atomically(run / "recipe.yaml", recipe.to_yaml().encode())


def check_recorded(recipe: Recipe, run: Path) -> None:
    """Refuse a recipe that cannot continue ``run``; see ``record_recipe``."""
    if not (run / "recipe.yaml").exists():
        return
    begun = recorded_recipe(run).model_dump(mode="json")
    if changed := conflicts(begun, recipe.model_dump(mode="json")):
        raise ConfigurationError(
            f"{run} was begun with another recipe ({'; '.join(changed)}); use the same recipe to "
            f"continue, or `specialize run --from {run} --out NEW` to take over its responses"
        )


def recorded_recipe(run: Path) -> Recipe:
    """The resolved recipe that a run was begun with."""
    path = run / "recipe.yaml"
    if not path.is_file():
        raise ConfigurationError(
            f"{run} is no run's directory: it has no recipe.yaml; begin with `specialize train` or "
            f"`specialize run`"
        )
    refuse_links_outside(run)
    return read_recipe(path)


def _override(values: dict[str, object], override: str, at: tuple[str, ...] = ()) -> None:
    """Apply ``a.b=c``; list items are named by position (``objectives.0.weight=2``).

    ``at``: where ``values`` are in a recipe.
    """
    path, found, text = override.partition("=")
    if not found or not path:
        raise ConfigurationError(f"--set {override!r}: write it as key.key=value")
    keys = renamed_path(path.split("."), at)
    place: object = values
    for key in keys[:-1]:
        if isinstance(place, dict):
            place = place.setdefault(key, {})
        elif isinstance(place, list) and key.isdigit() and int(key) < len(place):
            place = place[int(key)]
        else:
            raise ConfigurationError(f"--set {override!r}: there is no {key!r} in the recipe")
    try:
        value = read_yaml(text)
    except ValueError as error:
        raise ConfigurationError(f"--set {path}: {error}") from None
    if isinstance(place, dict):
        place[keys[-1]] = value
    elif isinstance(place, list) and keys[-1].isdigit() and int(keys[-1]) < len(place):
        place[int(keys[-1])] = value
    else:
        raise ConfigurationError(f"--set {override!r}: {keys[-1]!r} cannot be set there")


def _keys_at(location: Sequence[int | str]) -> list[str]:
    return section_at(location).known_keys()


def explain(error: ValidationError, keys_at: Callable[[Sequence[int | str]], Iterable[str]]) -> str:
    """One problem in one line: where, what, and the nearest known key; misspelt keys first.

    Args:
        error: of values that were checked.
        keys_at: the keys that may be at a place, which is given by the keys that lead there.
    """
    problems = error.errors()
    first = min(problems, key=lambda problem: problem["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        unknown = str(first["loc"][-1])
        near = get_close_matches(unknown, keys_at(first["loc"][:-1]), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"unknown key {where!r}{hint}{more}"
    text = first["msg"].removeprefix("Value error, ")
    hidden = first["type"] in ("value_error", "missing", "hidden_value")
    given = "" if hidden else f", got {first['input']!r}"
    return f"{where + ': ' if where else ''}{text}{given}{more}"
