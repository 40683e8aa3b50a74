"""The journal: what was answered is on the disk before it is read, and never asked for again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from specialize.store import verify
from specialize.teacher.served.journal import Journal
from specialize.teacher.served.wire import Request
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.scripted_model import ScriptedModel, answer
from tests.support.scripted_server import Body, Reply, Server, scripted

ROOT = Path(__file__).parents[4]
KILLS = int(os.environ.get("SPECIALIZE_JOURNAL_KILLS", "3"))
ONE, TWO = Request("/a", {"x": 1}, 0), Request("/a", {"x": 2}, 0)


def keep(path: Path, *answers: tuple[Request, bytes]) -> Journal:
    journal = Journal(path)

    async def all_of_them() -> None:
        await asyncio.gather(*(journal.keep(request, raw) for request, raw in answers))

    asyncio.run(all_of_them())
    return journal


def test_answers_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    keep(path, (ONE, b"first"), (TWO, b"\x00\xff\n"), (ONE, b"second"))
    keep(path, (TWO, b""))
    journal = Journal(path)
    assert journal.answers(ONE) == [b"first", b"second"]
    assert journal.answers(TWO) == [b"\x00\xff\n", b""]
    assert journal.answers(Request("/b", {"x": 1}, 0)) == []
    assert (journal.repeated, journal.damaged) == (4, 0)
    assert path.read_bytes().count(b"\n") == 4


def test_every_torn_end_and_every_damaged_byte(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    keep(path, (ONE, b"first"), (TWO, b"second"))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first + 1, len(whole) - 1):
        path.write_bytes(whole[:cut])
        journal = Journal(path)
        assert (journal.answers(ONE), journal.answers(TWO)) == ([b"first"], [])
        assert journal.damaged == 1
    keep(path, (TWO, b"again"))
    assert Journal(path).answers(TWO) == [b"again"]
    for at in range(first):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert Journal(path).answers(ONE) == []
        assert Journal(path).answers(TWO) in ([b"second"], [])


def test_without_a_path_nothing_is_kept() -> None:
    journal = Journal(None)
    asyncio.run(journal.keep(ONE, b"x"))
    assert journal.answers(ONE) == []


def test_requests_differ_by_path_and_body_alone() -> None:
    assert ONE.key == Request("/a", {"x": 1}, 99).key
    assert len({ONE.key, TWO.key, Request("/b", {"x": 1}, 0).key}) == 3


# ---- a process that is killed ----------------------------------------------------------------

PROGRAM = """
import os, sys
from pathlib import Path
from specialize.io import fault_injection
from specialize.config.recipe import Teacher
from specialize.records import Example
from specialize.teacher.dump import dump
from specialize.teacher.served import connect

url, tokenizer = sys.argv[1:]
server = {"kind": "vllm", "urls": [url], "tokenizer": tokenizer, "concurrency": 4}
settings = Teacher(model="scripted", samples=40, max_new_tokens=6, server=server)
questions = [Example(f"toy/train/{i}", f"Case {i}?", "7") for i in range(2)]

def run(out, fault):
    with connect(settings, journal=out / "journal.jsonl") as teacher:
        fault_injection.arm(fault)
        dump(teacher, questions, out, settings, shard_samples=32)

for line in sys.stdin:
    out, fault = line.split()
    child = os.fork()
    if child == 0:
        run(Path(out), int(fault))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@contextmanager
def dumping(server: Server) -> Iterator[Callable[[Path, int], int]]:
    """Runs a dump in a process of its own that dies before its n-th file operation; 0: never."""
    command = [sys.executable, "-c", PROGRAM, server.url, str(toys.gpt2())]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:

        def run(out: Path, fault: int) -> int:
            process.stdin.write(f"{out} {fault}\n")
            return int(process.stdout.readline())

        yield run
        process.stdin.close()


def data_requests(server: Server) -> Counter[str]:
    """Requests for the dump's own texts by seed; the probe's have small ones."""
    seeds = [body["seed"] for path, body, _ in server.requests if path == "/v1/completions"
             and "seed" in body]  # fmt: skip
    return Counter(str(seed) for seed in seeds if int(seed) > 100)


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    kept = (p for p in files if not p.name.startswith(".") and p.name != "journal.jsonl")
    return {str(p.relative_to(root)): p.read_bytes() for p in kept}


def settled(server: Server) -> Counter[str]:
    """The requests, once those of a process that died have all been read."""
    found = data_requests(server)
    while True:
        time.sleep(0.1)
        if (now := data_requests(server)) == found:
            return found
        found = now


def test_killed_between_answer_and_commit_nothing_is_asked_twice(tmp_path: Path) -> None:
    """Killed inside the 40 samples of a question, at several places; resumed to the end.

    Only answers that were under way when the process died may be asked for again: at most as
    many as there are connections. Those that were in the journal never are.
    """
    model = ScriptedModel(load_tokenizer(toys.gpt2()))
    says = lambda path, body, turn: Reply(answer(model, path, body))  # noqa: E731
    with scripted(says) as server, dumping(server) as run:
        assert run(tmp_path / "whole", 0) == 0
        assert len(data_requests(server)) == 80
        for kill in range(KILLS):
            out = tmp_path / f"killed-{kill}"
            server.requests.clear()
            # after the operations that lay out the store
            assert run(out, 30 + 50 * kill // KILLS) == -signal.SIGKILL
            before = settled(server)
            lines = (out / "journal.jsonl").read_bytes().count(b"\n")
            server.requests.clear()
            assert run(out, 0) == 0
            after = data_requests(server)
            assert 0 <= lines <= len(before) < 80
            assert sum(after.values()) == 80 - lines
            assert len(before.keys() & after.keys()) == len(before) - lines <= 8
            assert tree(out) == tree(tmp_path / "whole")
            assert verify(out).ok


def test_a_damaged_shard_is_made_again_from_the_journal(tmp_path: Path) -> None:
    model, out = ScriptedModel(load_tokenizer(toys.gpt2())), tmp_path / "store"
    says = lambda path, body, turn: Reply(answer(model, path, body))  # noqa: E731
    with scripted(says) as server, dumping(server) as run:
        assert run(out, 0) == 0
        whole = tree(out)
        (out / "shards" / "00001.safetensors").write_bytes(b"damaged")
        server.requests.clear()
        assert run(out, 0) == 0
        assert not data_requests(server)
    assert tree(out) == whole


def test_stopped_by_the_user(tmp_path: Path) -> None:
    """An interrupt ends a dump that waits for answers at once."""
    model = ScriptedModel(load_tokenizer(toys.gpt2()))

    def says(path: str, body: Body, turn: int) -> Reply:
        late = path == "/v1/completions" and int(body.get("seed", 0)) > 100
        return Reply(answer(model, path, body), wait=30.0 if late else 0.0)

    with scripted(says) as server:
        command = [sys.executable, "-c", PROGRAM.replace("os.fork()", "0"), server.url]
        process = subprocess.Popen(
            [*command, str(toys.gpt2())], cwd=ROOT, text=True, stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        process.stdin.write(f"{tmp_path / 'store'} 0\n")
        process.stdin.close()
        while not data_requests(server):
            assert process.poll() is None
            time.sleep(0.01)
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) != 0
        assert time.monotonic() - asked < 10  # the answers would have taken 30 s
