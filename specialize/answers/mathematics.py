r"""Whether two mathematical expressions are equal, judged by math-verify in a process that may die.

    with Verifier() as verifier:
        verifier.agrees("\\frac{x^2-1}{x-1}", "x+1")     True
        verifier.agrees("9^{9^{9^9}}", "1")              None: it took too long and was killed

math-verify (the extra ``math``) reads LaTeX into sympy, which evaluates what it reads. So it never
runs in our process: a worker with bounds on memory, files and processor time does it, one pair at a
time, and is replaced when it overruns, runs out of memory or dies.
"""

from __future__ import annotations

import atexit
import json
import selectors
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec

from specialize.errors import ConfigurationError

MAX_LENGTH = 2_000  # characters of a side; longer ones have no verdict
_START_SECONDS = 120.0  # until a worker has loaded what it needs
_WORKER = (sys.executable, "-m", "specialize.answers.mathematics_worker")


class Verifier:
    """One worker process, started when it is first needed and again after every death.

    Args:
        seconds: for one pair.
        command: the worker; it prints a line when it is ready, then one for every line it reads.
    """

    def __init__(self, *, seconds: float = 2.0, command: Sequence[str] = _WORKER) -> None:
        if not seconds > 0:
            raise ValueError(f"a verdict needs time, got {seconds} seconds")
        self.seconds, self.command = seconds, tuple(command)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def agrees(self, given: str, gold: str) -> bool | None:
        """Whether they are equal; None where the worker gave no verdict."""
        if max(len(given), len(gold)) > MAX_LENGTH:
            return None
        if self._process is None:
            self._start()
        line = json.dumps([given, gold]) + "\n"
        try:
            answer = self._ask(line.encode(), self.seconds)
        except OSError:
            answer = None
        if answer is None:
            self.close()
            return None
        verdict = json.loads(answer)
        return verdict if isinstance(verdict, bool) else None

    def close(self) -> None:
        """Kill the worker."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            process.wait()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        if self._ask(b"", _START_SECONDS) is None:
            self.close()
            raise ConfigurationError(
                f"the worker {' '.join(self.command)} does not start; is the extra math whole?"
            )

    def _ask(self, line: bytes, seconds: float) -> bytes | None:
        """The worker's answer to a line; None where there is none in time."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return None
        if line:
            process.stdin.write(line)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                return None
        return process.stdout.readline() or None


def same_mathematics(given: str, gold: str) -> bool:
    """Whether math-verify finds them equal; without a verdict they are not.

    Raises:
        ConfigurationError: the extra ``math`` is not installed.
    """
    return _shared().agrees(given, gold) is True


@cache
def _shared() -> Verifier:
    if find_spec("math_verify") is None:
        raise ConfigurationError(
            "answers of kind math need math-verify; install the extra: pip install specialize[math]"
        )
    verifier = Verifier()
    atexit.register(verifier.close)
    return verifier
