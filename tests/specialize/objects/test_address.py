"""Addresses and the directories that stand for them; what an address may not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.errors import ConfigurationError
from specialize.objects.address import (
    PACKAGES,
    address_of,
    directory_of,
    is_address,
    with_addresses,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPECIALIZE_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("protocol", PACKAGES)
@pytest.mark.parametrize("form", [str, Path])
def test_an_address_and_its_directory(cache: Path, protocol: str, form: type) -> None:
    address = f"{protocol}://bucket/run 1/responses/a=b"
    directory = directory_of(form(address))
    assert directory == cache / protocol / "bucket" / "run 1" / "responses" / "a=b"
    assert address_of(directory / "shards") == f"{address}/shards"
    assert directory_of(f"{address}/") == directory
    assert directory_of(directory) == directory


@pytest.mark.parametrize("path", ["run/responses/x", "/tmp/x", "s3", "C:/x", "a:b", "x/s3://y"])
def test_other_paths_are_local(path: str) -> None:
    assert not is_address(path)
    assert directory_of(path) == Path(path)
    assert address_of(Path(path)) is None


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://host/x", r"at s3://, gs://, hf://, not at http://"),
        ("s3://bucket", r"name a path below a bucket, such as s3://bucket/run"),
        ("s3://bucket/", r"name a path below a bucket"),
        ("s3://", r"name a path below a bucket"),
        ("s3://bucket/../x", r"no place for a store"),
        ("s3://bucket/a//x", r"no place for a store"),
        ("s3://bucket/./x", r"no place for a store"),
        ("s3://AKIA1:hunter2@bucket/x", r"has credentials or a query in it"),
        ("s3://hunter2@bucket/x", r"has credentials or a query in it"),
        ("s3://bucket/x?X-Amz-Signature=hunter2", r"has credentials or a query in it"),
        ("s3://bucket/x#hunter2", r"has credentials or a query in it"),
        (Path("s3://AKIA1:hunter2@bucket/x"), r"has credentials or a query in it"),
    ],
)
def test_what_is_refused(address: str | Path, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as refused:
        directory_of(address)
    assert "hunter2" not in str(refused.value)
    assert "AKIA1" not in str(refused.value)


def test_messages_have_addresses(cache: Path) -> None:
    message = f"{cache}/s3/bucket/x/store.json and {cache}/hf/datasets/a/b and {cache}/other"
    expected = f"s3://bucket/x/store.json and hf://datasets/a/b and {cache}/other"
    assert with_addresses(message) == expected
