"""Objects through fsspec, on a server that fails; what is said where nothing helps."""

from __future__ import annotations

import fsspec
import numpy as np
import pytest

from specialize.errors import ConfigurationError, StorageError
from specialize.objects import bucket as module
from specialize.objects.bucket import Bucket
from tests.support.object_storage import KEY, SECRET, Server


@pytest.fixture
def place(storage: Server) -> Bucket:
    return Bucket("s3://bucket/run/x")


def new_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says is read again."""
    monkeypatch.setattr(module, "_clients", {})


def test_objects(place: Bucket) -> None:
    assert place.get("a") is None
    place.put("a", b"one")
    place.put("a", b"two")
    assert place.get("a") == b"two"
    assert place.put_new("b/c", b"three")
    assert not place.put_new("b/c", b"four")
    assert place.sizes() == {"a": 3, "b/c": 5}
    assert place.sizes("b") == {"b/c": 5}
    assert place.sizes("none") == {}
    assert (place.size("a"), place.size("none")) == (3, None)
    assert place.get_all(["a", "none", "b/c"]) == {"a": b"two", "b/c": b"three"}
    assert place.get_all([]) == {}
    other = Bucket("s3://bucket/run/xy")
    other.copy(place, "b/c")
    assert other.get("b/c") == b"three"
    place.remove(["a", "none", "b/c"])
    place.remove([])
    assert place.sizes() == {}
    assert other.sizes() == {"b/c": 5}


@pytest.mark.slow
def test_a_large_object_goes_in_parts(place: Bucket, storage: Server) -> None:
    content = np.random.default_rng(0).bytes(101 * 2**20)
    assert place.put_new("a", content)
    assert [method for method, _ in storage.requests] == ["POST", "PUT", "PUT", "PUT", "POST"]
    assert not place.put_new("a", content)
    assert place.get("a") == content


@pytest.mark.parametrize("fault", [500, 503, "cut", "late"])
def test_errors_that_pass_are_tried_again(
    place: Bucket, storage: Server, monkeypatch: pytest.MonkeyPatch, fault: int | str
) -> None:
    if fault == "late":
        monkeypatch.setattr("s3fs.S3FileSystem.read_timeout", 1.0)
        new_client(monkeypatch)
    place.put("a", b"x" * 1000)
    failing = iter([fault])
    storage.requests.clear()
    storage.faults = lambda method, path: next(failing, None)
    assert place.get("a") == b"x" * 1000
    assert len(storage.requests) >= 2


def test_no_bucket(storage: Server) -> None:
    nowhere = Bucket("s3://nobodys/x")
    assert nowhere.get("a") is None
    with pytest.raises(ConfigurationError, match=r"s3://nobodys/x: .*bucket does not exist; make"):
        nowhere.sizes()
    with pytest.raises(ConfigurationError, match=r"s3://nobodys/x.*bucket does not exist"):
        nowhere.put("a", b"")


def test_no_access(place: Bucket, storage: Server) -> None:
    storage.faults = lambda method, path: 403
    for call in (lambda: place.put("a", b""), lambda: place.sizes()):
        with pytest.raises(ConfigurationError, match=r"s3://bucket/run/x.*: no access .*check the"):
            call()


def test_no_credentials(place: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    new_client(monkeypatch)
    with pytest.raises(ConfigurationError, match=r"s3://bucket/run/x/a: no access .*check the"):
        place.put("a", b"")


def test_no_network(place: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    new_client(monkeypatch)
    with pytest.raises(StorageError, match=r"x/a cannot be reached: .*goes on") as refused:
        place.get("a")
    assert refused.value.exit_code == 4
    assert KEY not in str(refused.value)
    assert SECRET not in str(refused.value)


def test_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(protocol: str, **options: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    new_client(monkeypatch)
    with pytest.raises(ConfigurationError, match=r"package s3fs; pip install 'specialize\[s3\]'"):
        Bucket("s3://bucket/x").get("a")
    with pytest.raises(ConfigurationError, match=r"gs:// needs the package gcsfs; pip install gcs"):
        Bucket("gs://bucket/x").get("a")
