"""The edge of the command line: every expected failure becomes one line and an exit code.

0 ok, 2 usage or configuration, 3 input or store damaged, 4 teacher or object storage unreachable,
or a teacher untrustworthy, 5 out of disk, 6 locked by another writer, 7 nothing passed the check,
130 interrupted (the same command continues).
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from specialize.errors import DiskFullError, InputError, SpecializeError
from specialize.io.units import bytes_text, duration_text, number_text
from specialize.io.visible import visible, visible_lines
from specialize.objects.address import directory_of, is_address, with_addresses

INTERRUPTED = 130

FILE = click.Path(path_type=Path)


class _Place(click.Path):
    """A place here; of a store also its address in object storage.

    An address becomes the directory that stands for it. Where none is wanted it is refused: it
    would be the name of a directory ``s3:``.
    """

    def __init__(self, *, is_file: bool = False, or_address: bool = False) -> None:
        super().__init__(file_okay=is_file, path_type=Path)
        self._or_address = or_address

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:  # fmt: skip
        text = os.fspath(value)
        if self._or_address or not is_address(text):
            return super().convert(directory_of(text), param, ctx)
        return self.fail("it is an address, and only stores can be in object storage", param, ctx)


FOLDER, STORE, NEW_FILE = _Place(), _Place(or_address=True), _Place(is_file=True)
overrides_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a recipe key, such as optimization.steps=500; may be repeated.",
)


def _allow_all(_context: click.Context, _option: click.Parameter, given: bool) -> None:
    if given:
        from specialize.config import trust

        trust.allow_all_code()


def _allow_keys(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> None:
    if given:
        from specialize.config import trust
    for pair in given:
        variable, found, host = pair.partition("=")
        if not (variable and found and host):
            raise click.BadParameter(f"write it as VARIABLE=HOST, got {pair!r}")
        trust.allow_key(variable, host)


def own_file(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    """The callback of an argument that may name a Python file: naming it lets it run."""
    if given is not None and given.endswith(".py"):
        from specialize.config import trust

        trust.allow_code(given)
    return given


allow_code_option = click.option(
    "--allow-code",
    is_flag=True,
    expose_value=False,
    callback=_allow_all,
    help="Let Python files and model code that the recipe names run; read them first.",
)
send_key_option = click.option(
    "--send-key",
    multiple=True,
    metavar="VARIABLE=HOST",
    expose_value=False,
    callback=_allow_keys,
    help="Let the key in this environment variable be sent to this host; may be repeated.",
)
shard_option = click.option(
    "--shard",
    default=None,
    metavar="I/N",
    help="Only part I of N (0-based): every Nth shard, for `specialize merge`.  [default: all]",
)
processes_option = click.option(
    "--processes",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of worker processes; with --ray, of tasks.",
)
ray_option = click.option(
    "--ray",
    default=None,
    metavar="ADDRESS",
    help="Run on this Ray cluster: HOST:PORT, or auto for the one of this machine.  "
    "[default: here]",
)
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


class Sectioned(click.Group):
    """A group whose help lists commands by section, in the order in which they are used."""

    sections: Mapping[str, Sequence[str]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, section by section; what is in no section comes last."""
        ordered = [name for names in self.sections.values() for name in names]
        return [*ordered, *sorted(set(self.commands) - set(ordered))]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One list a section; the first sentence of each command's help, whole."""
        for title, names in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, _sentence(self.commands[name])) for name in names])


def _sentence(command: click.Command) -> str:
    return (command.help or "").split("\n\n")[0].replace("\n", " ").strip()


def run_command(command: click.Command) -> int:
    """Run ``command`` on the process's arguments; returns the exit code."""
    # Threads that spin while they wait starve one another where cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        status = command.main(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__cause__, EOFError):  # click takes any for an end of what is typed
            raise error.__cause__ from None
        return _refuse("interrupted; the same command continues where it stopped", INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _refuse(_explain_usage(error), error.exit_code)
    except SpecializeError as error:
        return _refuse(str(error), error.exit_code)
    except ValueError as error:
        return _refuse(str(error), 2)
    except OSError as error:
        return _refuse(*_explain_system(error))
    except RecursionError:
        return _refuse("a file is nested deeper than can be read", InputError.exit_code)
    return status if isinstance(status, int) else 0


def _refuse(message: str, code: int) -> int:
    told = with_addresses(" ".join(message.split()))
    print(f"error: {visible(told)}", file=sys.stderr)
    return code


def _explain_usage(error: click.ClickException) -> str:
    """What is wrong with the arguments, and where they are explained."""
    said = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{said.rstrip('.')}; see {error.ctx.command_path} --help"
    return said


def _explain_system(error: OSError) -> tuple[str, int]:
    """The system's refusals: a full disk, a missing file, a folder that cannot be written."""
    where = f" ({error.filename})" if error.filename else ""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    code = DiskFullError.exit_code if full else InputError.exit_code
    advice = "; make room, then run the same command again" if full else ""
    return f"{error.strerror or error}{where}{advice}", code


def print_result(
    result: Mapping[str, object], as_json: bool, notes: Mapping[str, str] | None = None
) -> None:
    """One JSON object for machines; for people a line a key, and a line a warning on stderr.

    Args:
        result: what a key means is in its name: ``bytes``, ``seconds`` and ``hours`` are units,
            ``warnings`` are sentences. What is None is left out for people.
        notes: words at the end of a key's line.
    """
    if as_json:
        click.echo(with_addresses(json.dumps(result, sort_keys=True)))
        return
    for key, value in result.items():
        if key == "warnings" and isinstance(value, list | tuple):
            for warning in value:
                click.echo(f"warning: {visible(str(warning))}", err=True)
        elif value is not None:
            note = f"   {notes[key]}" if notes and key in notes else ""
            click.echo(f"{key:28} {visible_lines(with_addresses(_in_words(key, value)))}{note}")


def _in_words(key: str, value: object) -> str:
    """A value with its unit, as a person writes it."""
    if isinstance(value, Mapping | list | tuple) and not value:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_in_words(str(name), each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_in_words("", each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    words = {*key.split("_")}
    if "bytes" in words:
        return bytes_text(value)
    if "seconds" in words or "hours" in words:
        return duration_text(value * (3600 if "hours" in words else 1))
    return number_text(value)
