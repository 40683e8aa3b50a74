"""Whatever the hub's library raises becomes one line of ours."""

from __future__ import annotations

import pytest

from specialize.errors import ConfigurationError, InputError, SpecializeError
from specialize.io.hub_calls import hub_call


class TransportError(Exception):
    """As of the library's client: no OSError, no error of the library's own."""


@pytest.mark.parametrize("kind", [ConfigurationError, InputError])
@pytest.mark.parametrize(
    ("raised", "line"),
    [
        (TransportError("no route\nand much more"), "rows cannot go: no route"),
        (TransportError(), "rows cannot go: TransportError"),
        (OSError(110, "timed out"), r"rows cannot go: \[Errno 110\] timed out"),
    ],
)
def test_one_line_says_what_failed(
    kind: type[SpecializeError], raised: Exception, line: str
) -> None:
    with pytest.raises(kind, match=f"^{line}$"), hub_call("rows cannot go", kind):
        raise raised


def test_an_interrupt_is_none() -> None:
    with pytest.raises(KeyboardInterrupt), hub_call("rows cannot go", InputError):
        raise KeyboardInterrupt
