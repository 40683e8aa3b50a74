"""No name in a recipe is a path, a formula or a control sequence."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from specialize.config.names import check_name
from specialize.config.recipe import EvaluationSet, Recipe
from specialize.config.yaml_files import build_recipe
from specialize.errors import ConfigurationError

REFUSED = [
    "", " ", ".", "..", "../evil", "../../evil", "a/b", "/etc/passwd", "a\\b", "C:evil", "~",
    "~root",
    "=HYPERLINK(1)", "+1", "-rf", "@SUM(A1)", "a\tb", "a\nb", "a\x1b[31m", "a\x00", "a\u202eb",
    "a\u200b",
    "name.", "name ", " name",
    "CON", "nul.txt", "com1", "x" * 101, "a|b", "a<b>", "a'b", 'a"b', "a$b",
    "a*",
]  # fmt: skip
ACCEPTED = [
    "gsm8k", "llama-3.1",
    "sort words", "a", "7b", "GPT_4", "Qwen2.5-7B", "équipe", "x" * 100, "c++",
    "conan",
]  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a name"):
        check_name(name)


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    assert check_name(name) == name


def values(**changes: object) -> dict[str, object]:
    return {
        "student": "t5",
        "train_on": {"set": "gsm8k"},
        "objectives": [{"name": "a", "format": "zero-shot-answer", "target": "answer"}],
        **changes,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../evil"},
        {"teachers": {"../../evil": {"model": "m"}}},
        {"objectives": [{"name": "=1+1", "format": "zero-shot-answer", "target": "answer"}]},
        {"evaluation": {"sets": [{"set": "gsm8k", "role": "general", "name": "a/b"}]}},
        {"evaluation": {"sets": [{"set": "../../evil", "role": "general"}]}},
    ],
)
def test_a_recipe_refuses_it(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a name"):
        build_recipe(values(**changes))


def test_the_recipe_itself_refuses_it() -> None:
    with pytest.raises(ValidationError, match="cannot be a name"):
        Recipe.model_validate(values(name="a\x1b[0m"))


def test_a_set_in_a_file_is_called_by_the_files_name() -> None:
    assert EvaluationSet(set="mine/my_set.py", role="general").label == "my_set"
