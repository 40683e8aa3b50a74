"""Fresh interpreters at the price of a fork.

A new process pays half a second and more for numpy, numba and others. Here one process has imported
these and nothing of ours, and forks for each program, which finds our modules unimported.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[2]
SERVER = """
import json, os, sys, traceback
import click, httpx2, jinja2, numba, numpy, pyarrow, pydantic, rich.progress, sentencepiece
import tokenizers, yaml

def run(code, words):
    sys.argv = ["-c", *words]
    try:
        exec(compile(code, "<program>", "exec"), {"__name__": "__main__"})
    except SystemExit as ended:
        return ended.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

assert not {"torch", "transformers", "specialize", "align"} & sys.modules.keys()
for line in sys.stdin:
    code, words, out, err = json.loads(line)
    if child := os.fork():
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    for path, number in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    status = run(code, words)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
"""


class Run(Protocol):
    def __call__(self, code: str, *words: str) -> subprocess.CompletedProcess[str]: ...


@contextmanager
def interpreters() -> Iterator[Run]:
    """What runs ``python -c CODE WORDS`` in the checkout."""
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-c", SERVER], cwd=ROOT, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as server,
    ):  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        paths = [Path(folder, name) for name in ("out", "err")]

        def run(code: str, *words: str) -> subprocess.CompletedProcess[str]:
            for path in paths:
                path.unlink(missing_ok=True)
            print(json.dumps([code, words, *map(str, paths)]), file=server.stdin)
            status = int(server.stdout.readline())
            said = [path.read_text() for path in paths]
            return subprocess.CompletedProcess([code, *words], status, *said)

        yield run
        server.stdin.close()
