"""Pages of the reference that are made from the code: commands, recipe keys, public names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import specialize
from specialize.cli.stages import cli
from specialize.config.recipe import Recipe


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to the site."""
    pages = {
        "reference/command_line.md": command_line(),
        "reference/recipe_keys.md": recipe_keys(),
        "reference/python.md": public_names(),
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def command_line() -> str:
    """The help of every command, in the order of the overview."""
    parts = ["# Command line\n"]
    context = click.Context(cli, info_name="specialize")
    parts += _help(cli, context, 1)
    return "\n".join(parts)


def _help(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    title = context.command_path
    yield f"{'#' * (level + 1)} {title}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.commands[name]
            yield from _help(below, click.Context(below, context, info_name=name), level + 1)


def recipe_keys() -> str:
    """A table of keys for every section of a recipe, from its schema."""
    schema = Recipe.model_json_schema()
    parts = ["# Recipe keys\n", "Unknown keys are refused with the nearest known one.\n"]
    sections = {"Recipe": schema, **schema.get("$defs", {})}
    for name, section in sections.items():
        if "properties" not in section:
            continue
        parts.append(f"## {name}\n\n{_sentence(section)}\n\n| key | type | default | meaning |")
        parts.append("|---|---|---|---|")
        required = section.get("required", [])
        for key, value in section["properties"].items():
            default = "required" if key in required else f"`{value.get('default', 'none')}`"
            meaning = _cell(value.get("description", ""))
            parts.append(f"| `{key}` | {_type(value)} | {_cell(default)} | {meaning} |")
        parts.append("")
    return "\n".join(parts)


def _sentence(section: Mapping[str, object]) -> str:
    return str(section.get("description", "")).split("\n\n")[0].replace("\n", " ")


def _type(value: Mapping[str, object]) -> str:
    """How a reader would say the type of a JSON schema's property."""
    if "$ref" in value:
        name = str(value["$ref"]).rsplit("/", 1)[-1]
        if name == "JsonValue":  # has no section of its own
            return "any value"
        return f"[{name}](#{name.lower()})"
    if "enum" in value:
        return _cell(", ".join(f"`{item}`" for item in _list(value["enum"])))
    for key in ("anyOf", "oneOf", "allOf"):
        if key in value:
            return " or ".join(_type(item) for item in _list(value[key]))
    if value.get("type") == "array":
        return f"list of {_type(_mapping(value.get('items', {})))}"
    if value.get("type") == "object":
        return f"mapping to {_type(_mapping(value.get('additionalProperties', {})))}"
    return str(value.get("const", value.get("type", "anything")))


def _list(value: object) -> list[Mapping[str, object]]:
    return list(value) if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def public_names() -> str:
    """One entry for every name that ``import specialize`` offers."""
    parts = ["# Python\n", "Every name is importable from `specialize`, and loaded on first use.\n"]
    for name, (module, there) in specialize._NAMES.items():
        parts.append(f"## `specialize.{name}`\n\n::: {module}.{there}\n")
    return "\n".join(parts)
