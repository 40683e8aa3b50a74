"""How much of a command's time is spent in models, and how much around them.

    python scripts/bench/model_share.py python -m specialize quickstart --no-both --out FOLDER
    {"wall": 61.2, "processor": 104.5, "outside_wall": 0.08, "outside_processor": 0.09, ...}

In models are the forward pass (any call of a module of torch, the T5 decoder's own arithmetic, the
loss), the backward pass, and generation: from prompts to tokens, with the choice of the tokens but
without the rows that a dump keeps of them. All else is outside: imports, reading, tokenizing,
aligning, batches, optimizer, files, grading, pages.

``outside_wall`` is the share of the wall time in which no process of the command was in a model,
``outside_processor`` the share of the processor time, of all processes and threads, that was not
spent there. Every Python process that the command starts is counted, forked or not: a file
``sitecustomize.py`` on its path wraps the functions of ``WATCHED`` as their modules are imported.
What other threads of a process do meanwhile counts as its model's.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, ParamSpec, TypeVar

Args = ParamSpec("Args")
Made = TypeVar("Made")

WATCHED: Mapping[str, Mapping[str, str]] = {
    "torch.nn.modules.module": {"Module.__call__": "forward"},
    "torch.autograd": {"backward": "backward"},
    "specialize.losses.sparse": {"measured_kl": "forward"},
    "specialize.losses.fused": {"fused_kl": "forward"},
    "specialize.evaluate.generation": {"_start": "generate", "_decode": "generate"},
    "specialize.teacher.local.decode": {
        "CausalDecoding.__init__": "generate",
        "CausalDecoding.advance": "generate",
        "CausalDecoding.keep": "generate",
        "_EncoderDecoderDecoding.__init__": "generate",
        "_EncoderDecoderDecoding.advance": "generate",
        "_EncoderDecoderDecoding.keep": "generate",
    },
    "specialize.teacher.local.sample": {"draw_tokens": "generate"},
}


class Interval(NamedTuple):
    """Time of one process in a model, in seconds: of the wall's clock, and of the processor."""

    kind: str
    start: float
    stop: float
    processor: float


# ---- in the processes of the command -----------------------------------------------------------


def watch(folder: Path) -> None:
    """Note in ``folder`` when this process, and those that it forks, are in a model."""
    sys.meta_path.insert(0, _Finder(_Log(folder)))


class _Log:
    """A file of each process, which grows line by line: a process may be killed at any time."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._process, self._file = folder, 0, -1
        self.here = threading.local()

    def add(self, interval: Interval) -> None:
        if self._process != os.getpid():  # forked: another file
            self._process = os.getpid()
            path, flags = self._folder / str(self._process), os.O_CREAT | os.O_APPEND | os.O_WRONLY
            self._file = os.open(path, flags, 0o600)
        os.write(self._file, (json.dumps(interval) + "\n").encode())


def _counted(function: Callable[Args, Made], kind: str, log: _Log) -> Callable[Args, Made]:
    """``function``, whose outermost calls are noted."""

    @wraps(function)
    def counted(*args: Args.args, **kwargs: Args.kwargs) -> Made:
        if getattr(log.here, "inside", False):
            return function(*args, **kwargs)
        log.here.inside = True
        start, processor = time.monotonic(), time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            log.here.inside = False
            log.add(Interval(kind, start, time.monotonic(), time.process_time() - processor))

    return counted


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the watched modules as the path does, and wraps their functions once they are there."""

    def __init__(self, log: _Log) -> None:
        self._log = log

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in WATCHED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, WATCHED[fullname], self._log)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader, names: Mapping[str, str], log: _Log) -> None:
        self._loader, self._names, self._log = loader, names, log

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        for name, kind in self._names.items():
            *above, last = name.split(".")
            owner: object = module
            for part in above:
                owner = getattr(owner, part, None)
            if hasattr(owner, last):  # another version may have it elsewhere
                setattr(owner, last, _counted(getattr(owner, last), kind, self._log))


# ---- around the command ------------------------------------------------------------------------


def measure(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, object]:
    """Run ``command`` to its end, and say where its time went.

    Args:
        command: a program and its arguments; what it prints goes to this process's stderr.
        environment: that it finds.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    with tempfile.TemporaryDirectory() as work:
        logs, site = Path(work, "logs"), Path(work, "site")
        logs.mkdir()
        site.mkdir()
        (site / "sitecustomize.py").write_text(
            f"import runpy\nfrom pathlib import Path\n"
            f"runpy.run_path({__file__!r})['watch'](Path({str(logs)!r}))\n"
        )
        path = os.pathsep.join(filter(None, [str(site), environment.get("PYTHONPATH")]))
        start = time.monotonic()
        running = subprocess.Popen(
            command, env={**environment, "PYTHONPATH": path}, stdout=sys.stderr
        )
        _, status, used = os.wait4(running.pid, 0)
        wall = time.monotonic() - start
        if running.returncode is None:
            running.returncode = os.waitstatus_to_exitcode(status)
        if running.returncode:
            raise subprocess.CalledProcessError(running.returncode, command)
        return share(read(logs), wall=wall, processor=used.ru_utime + used.ru_stime)


def read(folder: Path) -> list[Interval]:
    """What the processes of a command noted."""
    lines = [line for file in folder.iterdir() for line in file.read_text().splitlines()]
    return [Interval(*json.loads(line)) for line in lines]


def share(intervals: Sequence[Interval], *, wall: float, processor: float) -> dict[str, object]:
    """The shares of a command that took so many seconds of the wall's clock and the processor."""
    inside_wall = covered((each.start, each.stop) for each in intervals)
    inside_processor = sum(each.processor for each in intervals)
    kinds = {
        kind: {
            "wall": round(covered((e.start, e.stop) for e in intervals if e.kind == kind), 2),
            "processor": round(sum(e.processor for e in intervals if e.kind == kind), 2),
        }
        for kind in sorted({each.kind for each in intervals})
    }
    return {
        "wall": round(wall, 2),
        "processor": round(processor, 2),
        "cores_used": round(processor / wall, 2),
        "outside_wall": round(1 - inside_wall / wall, 4),
        "outside_processor": round(1 - inside_processor / processor, 4),
        "in_models": kinds,
    }


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of ``spans`` (start, stop)."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted(spans):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} COMMAND [ARGUMENT ...]")
    try:
        print(json.dumps(measure(sys.argv[1:], os.environ)))
    except subprocess.CalledProcessError as error:
        sys.exit(str(error))
