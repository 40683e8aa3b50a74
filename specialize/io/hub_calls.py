"""Calls of the hub's library, whose errors become one line.

A refusal, no connection and a broken transfer are each an error of another class, some of them of
the library's own client; whatever it is, the user needs what was tried and what went wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from specialize.errors import SpecializeError, first_line


@contextmanager
def hub_call(attempt: str, kind: type[SpecializeError]) -> Iterator[None]:
    """Run the body, which calls the hub and nothing else.

    Args:
        attempt: what fails if it fails, such as "rows cannot go to me/rows".
        kind: the error to raise.

    Raises:
        SpecializeError: of ``kind``, ``attempt`` and the first line of the library's error.
    """
    try:
        yield
    except Exception as error:
        raise kind(f"{attempt}: {first_line(error)}") from None
