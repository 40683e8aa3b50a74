"""The help texts: every command in its section, every option explained, no sentence cut."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from specialize.cli.stages import cli
from specialize.quickstart.run import Size


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> dict[tuple[str, ...], click.Command]:
    found: dict[tuple[str, ...], click.Command] = {}
    for name, command in group.commands.items():
        found[(*path, name)] = command
        if isinstance(command, click.Group):
            found |= commands(command, (*path, name))
    return found


COMMANDS = commands(cli)


def test_every_command_is_in_one_section() -> None:
    listed = [name for names in type(cli).sections.values() for name in names]
    assert sorted(listed) == sorted(cli.commands)


def test_the_overview_cuts_no_sentence() -> None:
    overview = CliRunner().invoke(cli, ["--help"]).output
    assert overview.count("...") == 1  # that of the usage line
    for name in cli.commands:
        assert f"\n  {name} " in overview


@pytest.mark.parametrize("path", sorted(COMMANDS), ids=" ".join)
def test_every_option_is_explained(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help, path
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{' '.join(path)} {option.opts[0]} has no help"
            assert option.help[0].isupper(), option.help
            assert option.help.split("  [")[0].endswith("."), option.help


@pytest.mark.parametrize("path", sorted(COMMANDS), ids=" ".join)
def test_every_option_states_its_default(path: tuple[str, ...]) -> None:
    """What may be left out and is neither a flag nor a list says what then holds."""
    for option in COMMANDS[path].params:
        if isinstance(option, click.Option) and not (
            option.required or option.is_flag or option.multiple or option.show_default
        ):
            assert "  [default: " in (option.help or ""), f"{' '.join(path)} {option.opts[0]}"


def test_quickstart_states_its_real_defaults() -> None:
    stated = CliRunner().invoke(cli, ["quickstart", "--help"]).output
    for name, value in vars_of(Size()).items():
        assert f"[default: {value}]" in " ".join(stated.split()), name


def vars_of(size: Size) -> dict[str, int]:
    return {name: getattr(size, name) for name in Size.__slots__}


def test_env_names_every_package() -> None:
    found = json.loads(CliRunner().invoke(cli, ["env", "--json"]).output)
    assert found["numpy"] == __import__("numpy").__version__
    assert found["specialize"].startswith("0.")
