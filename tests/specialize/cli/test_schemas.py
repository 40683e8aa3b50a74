"""The schemas say what the files hold: written files fit, and changed ones do not."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from specialize.artifacts.predictions import Prediction
from specialize.cli.json_schemas import SCHEMAS, schema
from specialize.cli.stages import cli
from specialize.config.yaml_files import read_recipe
from specialize.errors import ConfigurationError
from specialize.recipes import RECIPES
from specialize.records import ChatPrompt, Message, Response
from specialize.store import StoreDescription
from specialize.store.text_lines import encode_texts
from tests.support.store_samples import write_store

KINDS = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
    "integer": int, "number": (int, float),
}  # fmt: skip


def fits(value: object, rule: dict[str, object], root: dict[str, object]) -> bool:
    """Whether ``value`` is what a schema asks for: the words that ours use."""
    if "$ref" in rule:
        target: object = root
        for part in str(rule["$ref"]).removeprefix("#/").split("/"):
            target = target[part]
        return fits(value, target, root)
    checks = [
        "const" not in rule or value == rule["const"],
        "enum" not in rule or value in rule["enum"],
        "type" not in rule or isinstance(value, KINDS[rule["type"]]),
        not (rule.get("type") in ("integer", "number") and isinstance(value, bool)),
        "anyOf" not in rule or any(fits(value, one, root) for one in rule["anyOf"]),
        "oneOf" not in rule or sum(fits(value, one, root) for one in rule["oneOf"]) == 1,
    ]
    if not all(checks):
        return False
    if isinstance(value, str):
        return "pattern" not in rule or re.search(rule["pattern"], value) is not None
    if isinstance(value, int | float):
        return value >= rule.get("minimum", value) and value <= rule.get("maximum", value)
    if isinstance(value, list):
        return all(fits(one, rule.get("items", {}), root) for one in value)
    if isinstance(value, dict):
        known, more = rule.get("properties", {}), rule.get("additionalProperties", True)
        others = [value[name] for name in value.keys() - known.keys()]
        return (
            set(rule.get("required", ())) <= value.keys()
            and all(fits(value[name], known[name], root) for name in value.keys() & known.keys())
            and (more is not False or not others)
            and (not isinstance(more, dict) or all(fits(one, more, root) for one in others))
        )
    return True


def valid(value: object, name: str) -> bool:
    found = schema(name)
    return fits(value, found, found)


@pytest.mark.parametrize("layout", ["padded", "ragged"])
def test_a_stores_files_fit(layout: str, tmp_path: Path) -> None:
    write_store(tmp_path, layout=layout)
    files = {
        "store": [tmp_path / "store.json"],
        "summary": [tmp_path / "summary.json"],
        "manifest": [tmp_path / "manifest.jsonl"],
        "texts": sorted((tmp_path / "shards").glob("*.jsonl")),
    }
    for name, paths in files.items():
        lines = [line for path in paths for line in path.read_text().split("\n") if line]
        values = [json.loads(line) for line in lines]
        assert values
        for value in values:
            assert valid(value, name)
            for inside in (value, value.get("body", value)):
                for key in list(inside):
                    if key in ("answer", "correct", "layout"):
                        continue
                    kept = inside.pop(key)
                    assert not valid(value, name), f"{name} without {key}"
                    inside[key] = kept
            assert not valid(value | {"more": 1}, name)


def test_texts_of_a_chat_fit() -> None:
    turns = [Message("assistant", "5", "Easy."), Message("user", "Why?")]
    prompt = ChatPrompt(tuple(turns), {"enable_thinking": True})
    response = Response("a/0", 0, prompt, "So.", thinking="Hm.", thinking_tokens=3)
    line = json.loads(encode_texts([response])[0])
    assert valid(line, "texts")
    for wrong in ({"messages": [{"role": "tool"}]}, {"arguments": {}}, {**line["prompt"], "x": 1}):
        assert not valid({**line, "prompt": wrong}, "texts")
    assert not valid({**line, "thinking": 3}, "texts")


def test_recipes_fit() -> None:
    for build in RECIPES.values():
        values = yaml.safe_load(build().to_yaml())
        assert valid(values, "recipe")
        assert not valid(values | {"studnet": "x"}, "recipe")
        values["optimization"]["steps"] = 0
        assert not valid(values, "recipe")


def test_every_recipe_key_is_described() -> None:
    found = schema("recipe")
    for section, rule in {"recipe": found, **found["$defs"]}.items():
        for key, about in rule.get("properties", {}).items():
            assert about.get("description", "").endswith((".", "]")) or key == "selection", (
                f"{section}.{key}: {about}"
            )


def test_a_printed_recipe_names_its_schema_to_an_editor(tmp_path: Path) -> None:
    printed = CliRunner().invoke(cli, ["recipes", "specialization"]).output
    assert printed.startswith("# yaml-language-server: $schema=recipe.schema.json\nname: ")
    path = tmp_path / "my.yaml"
    path.write_text(printed)
    assert read_recipe(path) == RECIPES["specialization"]()


def test_predictions_fit() -> None:
    one = Prediction("a/0", "9f86d081884c7d65", "text", None, "7", False, True, 3)
    line = json.loads(one.to_line())
    assert valid(line, "predictions")
    assert not valid({**line, "correct": "no"}, "predictions")
    assert not valid({k: v for k, v in line.items() if k != "gold"}, "predictions")


def test_every_field_is_there() -> None:
    described = schema("store")["properties"]["body"]["properties"].keys()
    assert described == {f.name for f in fields(StoreDescription)} | {
        "format_version", "shard_samples"
    }  # fmt: skip
    assert schema("predictions")["properties"].keys() == {f.name for f in fields(Prediction)}


def test_names() -> None:
    for name in SCHEMAS:
        json.dumps(schema(name))
    with pytest.raises(ConfigurationError, match="no schema 'stores'; there are: recipe, store"):
        schema("stores")
