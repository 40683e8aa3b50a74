"""Limits, retries and their end; keys that are nowhere; several addresses."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import os
import subprocess
import sys
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from specialize.config import trust
from specialize.config.recipe import Server, Teacher
from specialize.config.yaml_files import build_teacher
from specialize.errors import ConfigurationError, TeacherError
from specialize.stages.stores import dump_set
from specialize.store.sealed import unseal
from specialize.teacher import opening
from specialize.teacher.protocol import Sampling
from specialize.teacher.served import connect
from specialize.teacher.served.limits import Pace
from specialize.teacher.served.transport import RefusedError, SetupError, Transport
from specialize.teacher.served.wire import Request
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.scripted_model import ScriptedModel, answer
from tests.support.scripted_server import Body, Reply, scripted
from tests.support.scripted_server import Server as Scripted

ROOT = Path(__file__).parents[4]
KEY = "sk-CANARY-7f3a9e"
REQUEST = Request("/a", {"x": 1}, 10)


def server_of(*urls: str, **values: object) -> Server:
    base: dict[str, object] = {"kind": "vllm", "urls": urls, "retry_seconds": 5}
    return Server.model_validate({**base, **values})


def post(server: Server, count: int = 1, key: str | None = None) -> tuple[list[bytes], float]:
    """``count`` different requests at once, and how long they took."""

    async def all_of_them() -> tuple[list[bytes], float]:
        transport = Transport(server, key)
        started = time.monotonic()
        try:
            work = [transport.post(Request("/a", {"x": i}, 10)) for i in range(count)]
            return await asyncio.gather(*work), time.monotonic() - started
        finally:
            await transport.close()

    return asyncio.run(all_of_them())


# ---- limits ----------------------------------------------------------------------------------


def test_no_more_at_once_than_allowed() -> None:
    with scripted(lambda path, body, turn: Reply(1, wait=0.01)) as server:
        post(server_of(server.url, concurrency=3), 20)
        assert server.most_under_way == 3
        assert len(server.requests) == 20


class _Clock(asyncio.SelectorEventLoop):
    """A loop whose time passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self._now = max(self._now, self._scheduled[0].when())
        super()._run_once()


def passed(work: Callable[[], object]) -> object:
    with asyncio.Runner(loop_factory=_Clock) as runner:
        return runner.run(work())


def test_requests_and_tokens_a_minute() -> None:
    async def waits() -> list[float]:
        loop, requests, tokens = asyncio.get_running_loop(), Pace(60), Pace(6000)
        gone = []
        for units in (100, 50, 400, 1):
            await requests.turn(1)
            await tokens.turn(units)
            gone.append(loop.time())
        await Pace(None).turn(10**9)
        return [*gone, loop.time()]

    # one a second; 100 tokens take a second, 400 take four
    assert passed(waits) == pytest.approx([0, 1, 2, 6, 6], abs=1e-6)


def test_jobs_that_write_a_part_each_share_the_limits() -> None:
    server = server_of("http://a:1", concurrency=5, requests_per_minute=60, tokens_per_minute=9)
    assert server.shared_by(1) == server
    share = server.shared_by(4)
    limits = (share.concurrency, share.requests_per_minute, share.tokens_per_minute)
    assert limits == (1, 15, 2)
    unlimited = server_of("http://a:1").shared_by(64)
    assert (unlimited.concurrency, unlimited.requests_per_minute) == (1, None)
    message = "server.tokens_per_minute 9 cannot be shared by 10 jobs; start at most 9"
    with pytest.raises(ConfigurationError, match=message):
        server.shared_by(10)


def test_a_part_of_a_dump_asks_for_its_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Server | None] = []

    def refuse(settings: Teacher, store: Path | None) -> None:
        opened.append(settings.server)
        raise TeacherError("not today")

    monkeypatch.setattr(opening, "open_teacher", refuse)
    data = tmp_path / "data.jsonl"
    data.write_text('{"question": "1 + 1?", "answer": "2"}\n')
    settings = Teacher(model="m", server=server_of("http://a:1", requests_per_minute=60))
    for shard in (None, "1/4"):
        with pytest.raises(TeacherError, match="not today"):
            dump_set(
                tmp_path / "out", settings, "jsonl", str(data), split=None, limit=None, seed=0,
                restart=False, dry_run=False, shard=shard,
            )  # fmt: skip
    assert [server and server.requests_per_minute for server in opened] == [60, 15]


# ---- retries ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(status: int) -> None:
    with scripted(lambda p, b, turn: Reply(turn) if turn else Reply(status=status)) as server:
        assert post(server_of(server.url))[0] == [b"1"]


@pytest.mark.parametrize("status", [400, 413, 414, 422])
def test_a_wrong_request_is_refused_once(status: int) -> None:
    with scripted(lambda p, b, t: Reply(raw=b"too\nlong", status=status)) as server:
        with pytest.raises(RefusedError, match=f"with status {status}: too long"):
            post(server_of(server.url))
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 501])
def test_a_wrong_set_up_ends_at_once(status: int) -> None:
    headers = {"Location": "http://169.254.169.254/"}
    with scripted(lambda p, b, t: Reply(status=status, headers=headers)) as server:
        with pytest.raises(SetupError, match=f"answers with status {status}: null; "):
            post(server_of(server.url))
        assert len(server.requests) == 1


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_kept(as_date: bool) -> None:
    times: list[float] = []

    def says(path: str, body: Body, turn: int) -> Reply:
        times.append(time.monotonic())
        said = email.utils.formatdate(time.time() + 2, usegmt=True) if as_date else "1"
        return Reply(1) if turn else Reply(status=429, headers={"Retry-After": said})

    with scripted(says) as server:
        post(server_of(server.url))
    # a date has whole seconds
    assert (0.5 if as_date else 1.0) <= times[1] - times[0] < 5


def test_retrying_has_an_end() -> None:
    with scripted(lambda p, b, t: Reply(raw=b"overloaded", status=503)) as server:
        with pytest.raises(TeacherError, match=r"within 1 s .*last: status 503: overloaded.*again"):
            post(server_of(server.url, retry_seconds=1))
        assert 2 <= len(server.requests) <= 6
    with scripted(lambda p, b, t: Reply(status=429, headers={"Retry-After": "3600"})) as server:
        with pytest.raises(TeacherError, match="no answer within 1 s"):
            post(server_of(server.url, retry_seconds=1))
        assert len(server.requests) == 1


def test_an_answer_without_end_is_cut() -> None:
    with scripted(lambda p, b, t: Reply(1) if t else Reply(raw=bytes(6 << 20))) as server:
        assert post(server_of(server.url))[0] == [b"1"]


def test_several_addresses_share_the_load() -> None:
    def slow(path: str, body: Body, turn: int) -> Reply:
        return Reply("slow", wait=0.02)

    with scripted(slow) as one, scripted(slow) as two:
        post(server_of(one.url, two.url, concurrency=4), 24)
        assert min(len(one.requests), len(two.requests)) >= 8


def test_an_address_that_is_down_is_left_alone() -> None:
    with scripted(lambda p, b, t: Reply(1)) as gone:
        dead = gone.url
    with (
        scripted(lambda p, b, t: Reply(1)) as alive,
        scripted(lambda p, b, t: Reply(status=429, headers={"Retry-After": "60"})) as busy,
    ):
        found, _ = post(server_of(dead, busy.url, alive.url, concurrency=2), 30)
        assert found == [b"1"] * 30
        assert len(alive.requests) == 30
        assert len(busy.requests) <= 2


# ---- keys ------------------------------------------------------------------------------------

PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.DEBUG)
from specialize.cli.stages import main
main()
"""


def echoes_the_key(model: ScriptedModel) -> Callable[[str, Body, int], Reply]:
    """Servers repeat keys: in error texts, in headers, in answers."""
    said = {"X-Key": KEY}

    def says(path: str, body: Body, turn: int) -> Reply:
        if turn == 0:
            return Reply(raw=f"bad key {KEY} ({KEY[:9]}***)".encode(), status=500, headers=said)
        value = answer(model, path, body)
        if isinstance(value, dict):
            value = {**value, "echo": f"Bearer {KEY}"}
        return Reply(value, headers=said)

    return says


def run_dump(server: Scripted, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "train.jsonl").write_text(
        '{"question": "Case 1?", "answer": "So.\\n#### 7"}\n'
        '{"question": "Case 2?", "answer": "So.\\n#### 8"}\n'
    )
    command = [
        sys.executable, "-c", PROGRAM, "dump", str(folder / "store"), "--teacher", "scripted",
        "--data", "gsm8k", "--path", str(folder / "train.jsonl"), "--server", "vllm",
        "--url", server.url, "--set", f"server.tokenizer={toys.gpt2()}",
        "--set", "server.key_variable=TEACHER_KEY", "--set", "server.retry_seconds=3",
        "--max-new-tokens", "4", "--samples", "2",
    ]  # fmt: skip
    environment = {**os.environ, "TEACHER_KEY": KEY, "OPENAI_API_KEY": KEY}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=100
    )


def test_a_key_is_in_no_file_and_no_output(tmp_path: Path) -> None:
    model, store = ScriptedModel(load_tokenizer(toys.gpt2())), tmp_path / "store"
    with scripted(echoes_the_key(model)) as server:
        done = run_dump(server, tmp_path)
        sent = [headers.get("Authorization") for _, _, headers in server.requests]
    assert done.returncode == 0, done.stderr[-2000:]
    assert set(sent) == {f"Bearer {KEY}"}
    with scripted(lambda p, b, t: Reply(raw=KEY.encode(), status=401)) as server:
        refused = run_dump(server, tmp_path)
    assert refused.returncode == 4
    assert "key_variable" in refused.stderr
    for text in (done.stdout, done.stderr, refused.stdout, refused.stderr):
        assert "CANARY" not in text
    read = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(read) > 6
    for path in read:
        content = path.read_bytes()
        assert b"CANARY" not in content, path
    lines = (store / "journal.jsonl").read_bytes().splitlines(keepends=True)
    raw = [zlib.decompress(base64.b64decode(unseal(line)["raw"])) for line in lines]
    assert len(raw) == 4
    assert all(b"Bearer ***" in answered and b"CANARY" not in answered for answered in raw)


@pytest.fixture
def allowed() -> Iterator[None]:
    """The user lets the key go to the server of the test."""
    trust.allow_key("TEACHER_KEY", "127.0.0.1")
    yield
    trust.revoke()


@pytest.mark.usefixtures("allowed")
def test_a_key_is_in_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", KEY)
    for says in (
        lambda p, b, t: Reply(raw=f"no: {KEY}".encode(), status=401),
        lambda p, b, t: Reply(raw=f"no: {KEY}".encode(), status=400),
        lambda p, b, t: Reply(silent=True),
    ):
        with scripted(says) as server:
            settings = Teacher(
                model="m",
                server=server_of(
                    server.url, tokenizer=str(toys.gpt2()), key_variable="TEACHER_KEY",
                    retry_seconds=0.3,
                ),
            )  # fmt: skip
            with pytest.raises(TeacherError) as caught:
                connect(settings)
        shown = "".join(traceback.format_exception(caught.value)) + repr(settings)
        assert "CANARY" not in shown
        assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "values",
    [
        {"urls": [f"http://user:{KEY}@host"]},
        {"urls": [f"https://host/v1?api_key={KEY}"]},
        {"urls": f"http://host/{KEY}/v1"},
        {"urls": ["http://host"], "key_variable": KEY},
        {"urls": ["http://host"], "key": KEY},
        {"urls": [["http://host", KEY]]},
    ],
)
def test_keys_in_a_recipe_are_refused_unseen(values: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_teacher({"model": "m", "server": {"kind": "vllm", **values}})
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.usefixtures("allowed")
def test_an_empty_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEACHER_KEY", raising=False)
    server = server_of("http://127.0.0.1:9", key_variable="TEACHER_KEY")
    with pytest.raises(ConfigurationError, match=r"variable TEACHER_KEY, .* is not set"):
        connect(Teacher(model="m", server=server))


# ---- several texts a request -----------------------------------------------------------------


def test_choices_share_a_request() -> None:
    """Texts come by their index, in whatever order; 7 of one question take three requests."""
    model = ScriptedModel(load_tokenizer(toys.gpt2()))

    def says(path: str, body: Body, turn: int) -> Reply:
        value = answer(model, path, body)
        if path == "/v1/completions":
            value["choices"] = value["choices"][::-1]
        return Reply(value)

    with scripted(says) as server:
        values = {"tokenizer": str(toys.gpt2()), "choices": 3}
        with connect(Teacher(model="scripted", server=server_of(server.url, **values))) as teacher:
            before = len(server.requests)
            texts = teacher.sample(["Q"] * 7 + ["R"], list(range(50, 58)), Sampling(6))
            asked = [body for _, body, _ in server.requests[before:]]
    assert sorted((body["seed"], body["n"]) for body in asked) == [
        (50, 3),
        (53, 3),
        (56, 1),
        (57, 1),
    ]
    wanted = [model.draw(model.tokenizer.encode("Q"), seed, 1.0, 6)[0] for seed in range(50, 57)]
    assert [text.token_id.tolist() for text in texts[:7]] == wanted
