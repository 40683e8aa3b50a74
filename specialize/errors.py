"""What can go wrong for a user, and the exit code of each.

Every error here is a ``ValueError`` whose message says what is wrong, where, the values, and the
way out; the command line prints it as one line and exits with ``exit_code``. A plain
``ValueError`` from deeper code counts as a mistake of usage or configuration.
"""

from __future__ import annotations


class SpecializeError(ValueError):
    """An error with its own exit code; the base of all below."""

    exit_code = 2


class ConfigurationError(SpecializeError):
    """An option, a recipe or a resumed run asks for what cannot be done."""

    exit_code = 2


class InputError(SpecializeError):
    """A data file cannot be read as what it claims to be."""

    exit_code = 3


class StoreError(SpecializeError):
    """A store is damaged, incomplete, or not what its description says."""

    exit_code = 3


class TeacherError(SpecializeError):
    """A teacher cannot be reached, or what it returns cannot be trusted."""

    exit_code = 4


class StorageError(SpecializeError):
    """Object storage does not answer; what was committed there is intact."""

    exit_code = 4


class DiskFullError(SpecializeError):
    """There is no room left where the output goes; what was committed is intact."""

    exit_code = 5


class LockedError(SpecializeError):
    """Another process writes to the same place."""

    exit_code = 6


class NothingPassedError(SpecializeError):
    """Every candidate was refused: no correct response, no eligible checkpoint."""

    exit_code = 7


def first_line(error: Exception) -> str:
    """What a library's error says first, or its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
