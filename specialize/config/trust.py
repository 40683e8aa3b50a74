"""What a recipe or run of somebody else may not do by itself: run code, or send a key.

A recipe can name Python files (a set, a teacher), a repository's own model code, and a variable
that holds a key. All three are used only where the user allows it: by an argument of this command,
or once before. What was allowed once is kept in a file of the user's own, never in a run::

    ~/.config/specialize/trust.json
    {"code": ["<sha256 of a file's bytes>", ...],
     "keys": [{"variable": "OPENAI_API_KEY", "host": "api.openai.com"}]}

``$SPECIALIZE_TRUST`` names another file. The record is by content: a file that changed asks again.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from specialize.errors import ConfigurationError
from specialize.io.files import make_directory, write_atomically


class _Key(BaseModel):
    """A variable whose value may be sent to one host."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    variable: str
    host: str


class _Record(BaseModel):
    """The user's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    code: tuple[str, ...] = ()
    keys: tuple[_Key, ...] = ()


class Granted:
    """What the arguments of a process allow."""

    def __init__(self) -> None:
        self.all_code = False
        self.files: set[Path] = set()
        self.models: set[str] = set()
        self.keys: set[_Key] = set()


_granted = Granted()


def trust_file() -> Path:
    """Where the user's record is kept."""
    named = os.environ.get("SPECIALIZE_TRUST")
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(named) if named else Path(home) / "specialize" / "trust.json"


def allow_code(path: str | Path) -> None:
    """Let the file ``path`` run in this process: an argument of the command names it."""
    _granted.files.add(Path(path).resolve())


def allow_model_code(model: str) -> None:
    """Let the code of the repository ``model`` run in this process: an argument asks for it."""
    _granted.models.add(model)


def allow_all_code() -> None:
    """Let every file that a recipe names run; each is remembered by its hash."""
    _granted.all_code = True


def allow_key(variable: str, host: str) -> None:
    """Let the value of ``variable`` be sent to ``host``, in this process."""
    _granted.keys.add(_Key(variable=variable, host=host.lower()))


def granted() -> Granted:
    """What this process was allowed, for the processes that it starts to do its work."""
    return _granted


def grant(more: Granted) -> None:
    """Allow what the process was allowed whose work this one does."""
    _granted.all_code |= more.all_code
    _granted.files |= more.files
    _granted.models |= more.models
    _granted.keys |= more.keys


def revoke() -> None:
    """Forget what this process was allowed; the user's file stays."""
    _granted.__init__()  # type: ignore[misc]


def check_code(path: Path) -> None:
    """Refuse to run the file ``path`` unless the user allowed it.

    Raises:
        ConfigurationError: nobody did; names the file and the way out.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    _check(path.resolve() in _granted.files, digest, f"the file {path}")


def check_remote_code(model: str, revision: str | None) -> None:
    """Refuse to run the code that the repository ``model`` brings unless the user allowed it.

    Raises:
        ConfigurationError: nobody did.
    """
    digest = hashlib.sha256(f"{model}@{revision}".encode()).hexdigest()
    _check(model in _granted.models, digest, f"the code of the model {model}")


def _check(named: bool, digest: str, what: str) -> None:
    if named:
        return
    record = _read()
    if digest in record.code:
        return
    if not _granted.all_code:
        raise ConfigurationError(
            f"{what} would run as code, and no argument of this command names it; read it, then "
            f"give --allow-code (it is remembered by its hash in {trust_file()})"
        )
    _write(record.model_copy(update={"code": (*record.code, digest)}))


def check_key(variable: str, url: str) -> None:
    """Refuse to send the value of ``variable`` to ``url`` unless the user listed it for that host.

    Raises:
        ConfigurationError: it is not listed; says how to list it.
    """
    host = (urlsplit(url).hostname or "").lower()
    key = _Key(variable=variable, host=host)
    if key in _granted.keys or key in _read().keys:
        return
    raise ConfigurationError(
        f"the recipe asks to send {variable} to {host}, which you have not allowed; give "
        f"--send-key {variable}={host}, or add "
        f'{{"variable": "{variable}", "host": "{host}"}} to "keys" in {trust_file()}'
    )


def _read() -> _Record:
    path = trust_file()
    if not path.is_file():
        return _Record()
    try:
        return _Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(f"{path}: {first['msg']} at {first['loc']}") from None


def _write(record: _Record) -> None:
    path = trust_file()
    make_directory(path.parent)
    write_atomically(path, (json.dumps(record.model_dump(mode="json"), indent=1) + "\n").encode())
