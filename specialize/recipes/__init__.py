"""The built-in recipes, by name; each is a function that returns plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from specialize.config.recipe import Recipe
from specialize.config.yaml_files import override_recipe, read_recipe
from specialize.errors import ConfigurationError
from specialize.recipes.chat_pair import chat_pair
from specialize.recipes.specialization import specialization
from specialize.recipes.step_by_step import distillation, fine_tuning, single_task, step_by_step
from specialize.recipes.tinyllm import labels_alone, low_rank, tinyllm

RECIPES: Mapping[str, Callable[[], Recipe]] = {
    "specialization": specialization,
    "chat-pair": chat_pair,
    "step-by-step": step_by_step,
    "fine-tuning": fine_tuning,
    "distillation": distillation,
    "single-task": single_task,
    "tinyllm": tinyllm,
    "tinyllm-labels": labels_alone,
    "tinyllm-lora": low_rank,
}


def find_recipe(name: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a file, or the built-in one of that name, with overrides applied.

    Raises:
        ConfigurationError: neither a file nor a name, or its values are wrong.
    """
    if name.is_file():
        return read_recipe(name, overrides)
    if str(name) in RECIPES:
        return override_recipe(RECIPES[str(name)](), overrides, where=f"recipe {name}")
    if (name / "recipe.yaml").is_file():
        raise ConfigurationError(f"{name} is a run; its recipe is {name / 'recipe.yaml'}")
    raise ConfigurationError(
        f"no recipe file {name}; built-in recipes: {', '.join(RECIPES)} (print one with "
        f"`specialize recipes NAME`)"
    )
