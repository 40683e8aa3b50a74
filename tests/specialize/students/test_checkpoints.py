"""Complete or absent: what is chosen, what is found damaged, what a full disk says."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from specialize.errors import DiskFullError, StoreError
from specialize.students import checkpoints

UMASK = os.umask(0)
os.umask(UMASK)
FILES = {"model.safetensors": b"weights" * 100, "config.json": b"{}"}


def save(run, step):
    with checkpoints.writing(run, step) as folder:
        for name, content in FILES.items():
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o600)


def save_half(run, step, error):
    with checkpoints.writing(run, step) as folder:
        (folder / "model.safetensors").write_bytes(b"half")
        raise error


def test_only_complete_ones_are_listed_in_order(tmp_path):
    assert checkpoints.complete(tmp_path) == []
    assert checkpoints.last(tmp_path) is None
    for step in (200, 0, 1_000_000, 30):
        save(tmp_path, step)
    (tmp_path / "checkpoints" / "step-000900.partial").mkdir()
    (tmp_path / "checkpoints" / "step-000950").mkdir()  # no COMPLETE
    (tmp_path / "checkpoints" / "step-last").mkdir()
    modes = {path.stat().st_mode & 0o777 for path in checkpoints.last(tmp_path).path.iterdir()}
    assert modes == {0o666 & ~UMASK}
    assert [c.step for c in checkpoints.complete(tmp_path)] == [0, 30, 200, 1_000_000]
    assert checkpoints.last(tmp_path).name == "step-1000000"
    checkpoints.remove_partial(tmp_path)
    assert not list(tmp_path.glob("checkpoints/*.partial"))
    for found in checkpoints.complete(tmp_path):
        checkpoints.check(found)


def test_an_error_leaves_the_partial_one_and_it_is_not_chosen(tmp_path):
    save(tmp_path, 1)
    with pytest.raises(RuntimeError, match="stop"):
        save_half(tmp_path, 2, RuntimeError("stop"))
    assert checkpoints.last(tmp_path).step == 1
    save(tmp_path, 2)
    assert checkpoints.last(tmp_path).step == 2


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda p: (p / "config.json").write_bytes(b"[]"), "config.json is damaged"),
        (lambda p: (p / "config.json").write_bytes(b"{}\n"), "config.json has 3 bytes, 2 were"),
        (lambda p: (p / "config.json").unlink(), r"\['config.json'\] are missing or not listed"),
        (lambda p: (p / "extra.bin").write_bytes(b""), r"\['extra.bin'\] are missing or not"),
        (lambda p: (p / "COMPLETE").write_text("{"), "COMPLETE cannot be read"),
        (lambda p: (p / "COMPLETE").write_text("{}"), "COMPLETE cannot be read"),
    ],
)
def test_damage_is_found_and_named(tmp_path, harm, message):
    save(tmp_path, 7)
    found = checkpoints.last(tmp_path)
    harm(found.path)
    with pytest.raises(StoreError, match=message):
        checkpoints.check(found)


def test_every_flipped_byte_is_found(tmp_path):
    save(tmp_path, 7)
    found = checkpoints.last(tmp_path)
    path = found.path / "model.safetensors"
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(StoreError, match="is damaged"):
            checkpoints.check(found)


KILLED = """
import sys
from pathlib import Path
from specialize.io import fault_injection as faults
from specialize.students import checkpoints
run, operation = Path(sys.argv[1]), int(sys.argv[2])
for step in (1, 2):
    faults.arm(operation if step == 2 else 0)
    with checkpoints.writing(run, step) as folder:
        (folder / "model.safetensors").write_bytes(b"weights")
        (folder / "config.json").write_bytes(b"{}")
print("done")
"""


def test_a_kill_before_any_file_operation_leaves_whole_checkpoints_only(tmp_path):
    finished = 0
    for operation in range(1, 30):
        run = tmp_path / str(operation)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(run), str(operation)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        found = checkpoints.complete(run)
        assert [c.step for c in found] in ([1], [1, 2])
        for one in found:
            checkpoints.check(one)
        if done.returncode == 0:
            assert [c.step for c in found] == [1, 2]
            finished = operation
            break
        assert done.returncode == -9
    assert 5 < finished < 29


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EFBIG, os.strerror(errno.EFBIG)),
        RuntimeError("[enforce fail at inline_container.cc] . PytorchStreamWriter failed writing"),
        ValueError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, error):
    save(tmp_path, 1)
    with pytest.raises(DiskFullError, match=r"no room for checkpoint .*step-000002: 4 bytes"):
        save_half(tmp_path, 2, error)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-000001"]


def test_room_is_asked_for_before_the_start(tmp_path):
    checkpoints.check_room(tmp_path, 1)
    with pytest.raises(DiskFullError, match=r"need about 1,000,000,000,000,000,000 bytes, .* free"):
        checkpoints.check_room(tmp_path, 10**18)
