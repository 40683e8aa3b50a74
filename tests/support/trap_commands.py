"""Every command on a run full of traps, in a process that watches itself.

    python -m tests.support.trap_commands FOLDER EACH

FOLDER was laid out by ``tests.specialize.cli.test_traps``. Every command meets every EACH-th trap,
starting one later than the previous command. Prints one JSON line per command: its arguments,
exit code, what it printed, and what an audit hook saw that must not happen: a trap's code run, a
connection, a process started, or a file written outside FOLDER.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path

from specialize.cli.console import run_command
from specialize.cli.stages import cli

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_CONTACTS = (
    "socket.connect",
    "socket.sendto",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.system",
)


class Watch:
    """What happened while a command ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.caches = tuple(os.environ["TRAP_CACHES"].split(os.pathsep))
        self.seen: list[str] = []

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in _CONTACTS and arguments[0] != "fc-list":  # matplotlib looks for fonts
            self.seen.append(f"{event} {arguments[:2]}")
        elif event == "exec" and self._is_ours(getattr(arguments[0], "co_filename", "")):
            self.seen.append(f"exec {arguments[0]}")
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
            path = os.path.abspath(os.fsdecode(arguments[0])) if _names(arguments[0]) else ""
            if path and not self._is_ours(path) and not path.startswith(self.caches):
                self.seen.append(f"open {path}")

    def _is_ours(self, path: object) -> bool:
        return str(path).startswith(str(self.folder))


def _names(path: object) -> bool:
    return isinstance(path, str | bytes | os.PathLike)


def commands(run: Path) -> list[list[str]]:
    """Every command, on ``run``, its recipe, what it holds or what lies beside it."""
    recipe, store = str(run / "recipe.yaml"), str(run / "targets" / "toy")
    world, out = run.parent, run.parent / "out"
    return [
        ["quickstart", "--out", str(run), "--questions", "10", "--steps", "1"],
        ["recipes", recipe],
        ["pair", str(world / "tokenizer"), str(world / "student")],
        ["pair", store, str(world / "student")],
        ["data", "jsonl", str(world / "train.jsonl")],
        ["data", "check", str(world / "train.jsonl")],
        [
            "dump",
            str(out / "dump"),
            "--teacher",
            str(world / "student"),
            "--data",
            "jsonl",
            "--path",
            str(world / "train.jsonl"),
            "--samples",
            "1",
        ],
        ["schema", "recipe"],
        ["env"],
        ["run", "--from", str(run), "--out", str(out / "from"), "--dry-run"],
        *imports(world, out),
        ["inspect", str(run), "--rows", "1"],
        ["inspect", store],
        ["inspect", store, "--responses", store],
        ["evaluate", str(run)],
        ["evaluate", str(run), "--split", "test"],
        ["select", str(run)],
        ["report", str(run)],
        ["compare", str(run), str(run / "predictions" / "step-000000")],
        ["compare-stores", store, store],
        ["merge", store],
        ["rollouts", str(run), "--limit", "1"],
        ["experiment", "ls"],
        ["average", str(run), str(out / "average"), "--steps", "0,3"],
        ["verify", store],
        ["export", store, str(out / "store.jsonl")],
        ["align", store, str(out / "targets"), "--student", str(run.parent / "student")],
        ["run", recipe, "--out", str(out / "run"), "--dry-run"],
        ["plan", recipe],
        ["plan", recipe, "--figures", str(world / "train.jsonl")],
        ["plan", recipe, "--against", str(run)],
        ["run", recipe, "--out", str(out / "run")],
        ["train", recipe, str(run)],
    ]


def imports(world: Path, out: Path) -> list[list[str]]:
    """Every import, of pickles and of what else lies there."""
    dump, train = str(world / "dump"), str(world / "train.jsonl")
    of = ["--teacher", "t", "--tokenizer", str(world / "tokenizer")]
    split = ["--data", "jsonl", "--path", train]
    columns = ["--ids", "i", "--values", "v", "--as", "logits", "--tokens", "t", "--rows", "own"]
    return [
        ["import", "codex", dump, str(out / "codex"), "--questions", train],
        ["import", "palm", dump, str(out / "palm"), *split],
        ["import", "tinyllm", dump, str(out / "tinyllm"), *split],
        ["import", "distillkit", dump, str(out / "distillkit"), *of],
        ["import", "columns", dump, str(out / "columns"), *of, *columns],
        ["import", "json", str(world / "dump" / "rows.pt"), str(out / "json"), *of],
        ["import", "texts", train, str(out / "texts"), "--teacher", "t"],
    ]


def main(folder: Path, each: int) -> None:
    """Run what is below ``folder``; every line is flushed at once."""
    watch = Watch(folder)
    sys.addaudithook(watch)
    for i, run in enumerate(sorted(folder.glob("*/run"))):
        for j, arguments in enumerate(commands(run)):
            if (i + j) % each:
                continue
            watch.seen = []
            sys.argv = ["specialize", *arguments]
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                try:
                    code: int | str = run_command(cli)
                except BaseException as error:  # a traceback is what is looked for
                    code = f"{type(error).__name__}: {error}"
            line = {"trap": run.parent.name, "arguments": arguments, "code": code,
                    "said": said.getvalue()[-2000:], "seen": watch.seen}  # fmt: skip
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
