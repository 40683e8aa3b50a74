"""One part of a stage in a process of its own, and what is said of it afterwards."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import NamedTuple

from specialize.config import trust
from specialize.engines.engine import Work
from specialize.errors import SpecializeError
from specialize.io.part import Part
from specialize.io.progress import Verbosity, set_verbosity


class Failure(NamedTuple):
    """Why a part was not done: what its error said, and the exit code of that error."""

    part: Part
    code: int
    reason: str


def attempt(work: Work, part: Part, granted: trust.Granted, said: Verbosity) -> Failure | None:
    """Do ``part`` in this process with what the one that started it was allowed.

    The first part's progress, as much as ``said`` allows, represents all.
    """
    trust.grant(granted)
    set_verbosity("quiet" if part.index else said)
    try:
        work(part)
    except SpecializeError as error:
        return Failure(part, error.exit_code, str(error))
    except Exception as error:
        traceback.print_exc()
        return Failure(part, 1, f"{type(error).__name__}: {error}")
    return None


def refuse_failures(failures: Sequence[Failure]) -> None:
    """Raise the first of ``failures``, if there is one, with its exit code.

    Raises:
        SpecializeError: names the part.
    """
    if not failures:
        return
    first = min(failures, key=lambda failure: failure.part.index)
    others = f" ({len(failures) - 1} other parts failed too)" if failures[1:] else ""
    error = SpecializeError(
        f"part {first.part} failed{others}: {first.reason.rstrip('.')}; what was written is kept, "
        f"so the same command goes on"
    )
    error.exit_code = first.code
    raise error
