"""Who may write: the living are left alone, the dead are taken over, who was is told."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from specialize.errors import LockedError
from specialize.objects import lease
from specialize.objects.bucket import Bucket
from specialize.objects.lease import LEASE, held
from tests.support.object_storage import Server


@pytest.fixture
def place(storage: Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setattr(lease, "PATIENCE", 20.0)
    monkeypatch.setattr(lease, "RENEWAL", 0.05)
    monkeypatch.setattr(lease, "_LOOK", 0.1)
    return Bucket("s3://bucket/x")


def of(host: str, pid: int) -> bytes:
    return json.dumps({"host": host, "pid": pid, "renewed": 0, "token": "other"}).encode()


def test_a_second_writer_is_refused_while_the_first_is_alive(place: Bucket) -> None:
    with held(place):
        with (
            pytest.raises(LockedError, match=rf"x is being written by process {os.getpid()} on "),
            held(place),
        ):
            pass
        assert place.get(LEASE) is not None
    assert place.get(LEASE) is None


def test_a_holder_of_this_machine_that_is_gone_is_not_waited_for(
    place: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "PATIENCE", 60.0)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    place.put(LEASE, of(socket.gethostname(), gone.pid))
    with held(place):
        content = place.get(LEASE)
        assert content is not None
        assert json.loads(content)["pid"] == os.getpid()


def test_a_lease_whose_answer_was_lost_is_held(
    place: Bucket, storage: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "PATIENCE", 60.0)
    lost = iter(["lost"])
    storage.faults = lambda method, path: next(lost, None)
    with held(place):
        assert next(lost, None) is None
    assert place.get(LEASE) is None


@pytest.mark.parametrize("content", [of("node7", 1), b"", b"{}", b"[1]", b"\xff" * 9])
def test_a_holder_that_gives_no_sign_is_taken_over(
    place: Bucket, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(lease, "PATIENCE", 0.15)
    place.put(LEASE, content)
    with held(place):
        assert place.get(LEASE) != content


def test_who_was_taken_over_is_told(place: Bucket) -> None:
    with held(place) as mine:
        mine.check()
        place.put(LEASE, of("node7", 4711))
        until = time.monotonic() + 10
        while mine._taken_by is None and time.monotonic() < until:
            time.sleep(0.02)
        with pytest.raises(LockedError, match="by process 4711 on node7, which took over while"):
            mine.check()
    assert place.get(LEASE) == of("node7", 4711)  # not ours to remove
