"""Whatever happens to a store's bytes is found, and a damaged row is never given out."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specialize.errors import StoreError
from specialize.store import Sample, Store, StoreWriter, verify
from specialize.store.description import FORMAT_VERSION, description_file
from specialize.store.layout import mark
from specialize.store.sealed import seal, unseal
from tests.support.store_samples import (
    PIECES,
    description,
    memory_folder,
    sample,
    topk_id,
    topk_logprob,
    tree,
    write_store,
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return small_store(tmp_path / "small")


def small_store(root: Path) -> Path:
    """Two shards of one short sample."""
    with StoreWriter(root, description(), shard_samples=1) as writer:
        for number in (4, 5):
            writer.write(number - 4, [sample(number, positions=2)])
        writer.finish({token: b"%d" % token for token in PIECES}, {})
    return root


def read_all(root: Path) -> dict[tuple[str, int], bytes]:
    """Every row of a store as bytes; raises StoreError where it is damaged."""
    store = Store.open(root)
    return {key: frozen(store[key]) for key in store.keys}


def frozen(one: Sample) -> bytes:
    arrays = (
        one.token_id,
        one.token_logprob,
        topk_id(one),
        topk_logprob(one),
        one.distributions.tail,
    )
    return repr(one.response).encode() + b"".join(array.tobytes() for array in arrays)


def assert_found(root: Path, name: str, whole: dict[tuple[str, int], bytes]) -> None:
    """``verify`` reports it, and reading either fails or gives what was written."""
    assert not verify(root).ok, name
    try:
        rows = read_all(root)
    except StoreError:
        return
    assert rows == whole, name


def flips(content: bytes, bits: Iterator[int]) -> Iterator[bytes]:
    for bit in bits:
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << (bit % 8)
        yield bytes(flipped)


@pytest.mark.parametrize(
    "name", ["store.json", "manifest.jsonl", "summary.json", "shards/00000.safetensors"]
)
def test_a_flipped_bit_in_every_byte(small: Path, name: str) -> None:
    whole, path = read_all(small), small / name
    content = path.read_bytes()
    header = len(content) if not name.endswith("safetensors") else 8 + content[0] + 256 * content[1]
    for number, harmed in enumerate(flips(content, (8 * i + i % 8 for i in range(header)))):
        path.write_bytes(harmed)
        assert_found(small, f"{name} byte {number}", whole)
    path.write_bytes(content)
    assert verify(small).ok


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "store.json", "manifest.jsonl", "summary.json", "shards/00000.safetensors",
        "vocabulary.safetensors",
    ],
)  # fmt: skip
def test_every_flipped_bit(name: str) -> None:
    with memory_folder() as folder:
        root = small_store(folder / "small")
        whole, path = read_all(root), root / name
        content = path.read_bytes()
        for number, harmed in enumerate(flips(content, iter(range(8 * len(content))))):
            path.write_bytes(harmed)
            assert_found(root, f"{name} bit {number}", whole)


@pytest.mark.parametrize("flipped", [300, pytest.param(100_000, marks=pytest.mark.slow)])
def test_random_data_bits(flipped: int) -> None:
    rng = np.random.default_rng(0)
    with memory_folder() as folder:
        root = small_store(folder / "small")
        whole = read_all(root)
        files = [*sorted((root / "shards").iterdir()), root / "vocabulary.safetensors"]
        contents = [path.read_bytes() for path in files]
        for _ in range(flipped):
            number = int(rng.integers(len(files)))
            path, content = files[number], contents[number]
            (harmed,) = flips(content, iter([int(rng.integers(8 * len(content)))]))
            path.write_bytes(harmed)
            assert_found(root, path.name, whole)
            if path.parent.name == "shards" and path.name.startswith("00000"):
                with pytest.raises(StoreError, match="00000"):
                    read_all(root)
            path.write_bytes(content)
        assert verify(root).ok


@pytest.mark.parametrize("step", [97, pytest.param(1, marks=pytest.mark.slow)])
def test_truncation_and_addition(step: int) -> None:
    """Every file cut at every ``step``-th byte, longer by one, or gone."""
    with memory_folder() as folder:
        root = small_store(folder / "small")
        whole = read_all(root)
        for path in sorted(
            path for path in root.rglob("*") if path.is_file() and path.name != ".lock"
        ):
            content = path.read_bytes()
            cuts = {0, 1, 7, 8, 9, len(content) - 1, *range(0, len(content), step)}
            cut = [content[:size] for size in sorted(cuts - {len(content)})]
            for harmed in [*cut, content + b"\0", content + b"\n"]:
                path.write_bytes(harmed)
                assert_found(root, f"{path.name} of {len(harmed)} bytes", whole)
            path.unlink()
            assert_found(root, f"{path.name} removed", whole)
            path.write_bytes(content)
        assert verify(root).ok


def swap_shards(root: Path) -> None:
    for suffix in ("safetensors", "texts.jsonl"):
        first, second = (root / "shards" / f"0000{i}.{suffix}" for i in (0, 1))
        first.rename(root / "aside")
        second.rename(first)
        (root / "aside").rename(second)


def edit_lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    def harm(root: Path) -> None:
        path = root / "manifest.jsonl"
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return harm


def edit_body(file: str, /, **changes: object) -> Callable[[Path], None]:
    """A change that keeps the CRC right: what only the other files can tell."""

    def harm(root: Path) -> None:
        line, *others = (root / file).read_bytes().splitlines(keepends=True)
        (root / file).write_bytes(seal({**unseal(line), **changes}) + b"".join(others))

    return harm


def replace_by_link(name: str) -> Callable[[Path], None]:
    def harm(root: Path) -> None:
        path = root / name
        path.rename(root.parent / "elsewhere")
        path.symlink_to(root.parent / "elsewhere")

    return harm


def other_summary(root: Path) -> None:
    write_store(root.parent / "other")
    shutil.copy(root.parent / "other" / "summary.json", root / "summary.json")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (swap_shards, "is not shard 0 of this store: it is responses shard 1"),
        (
            edit_lines(lambda lines: [*lines, lines[0]]),
            "line 3 commits shard 0 again, after line 1",
        ),
        (
            edit_lines(lambda lines: [lines[0], lines[0], *lines[1:]]),
            "line 2 commits shard 0 again",
        ),
        (edit_lines(lambda lines: lines[1:]), "manifest.jsonl has .* bytes instead of"),
        (edit_lines(lambda lines: lines[::-1]), "does not have the hash with which it was written"),
        (edit_lines(lambda lines: []), "manifest.jsonl has 0 bytes instead of"),
        (edit_body("manifest.jsonl", name="../../etc/passwd"), "line 1 is damaged: not a shard's"),
        (edit_body("manifest.jsonl", shard=-1), "line 1 is damaged: not a shard's line"),
        (edit_body("manifest.jsonl", positions=3), "manifest.jsonl does not have the hash"),
        (edit_body("store.json", teacher="Toy"), "store.json does not have the hash"),
        (edit_body("store.json", extra=1), "which are not those of a store"),
        (edit_body("store.json", kind="answers"), "does not describe a store"),
        (edit_body("store.json", format_version=2), "has format version 2, but only 1"),
        (edit_body("summary.json", samples=7), "has 2 samples, the summary 7"),
        (edit_body("summary.json", store=None), "summary.json"),
        (other_summary, "is not the one of .*summary.json"),
        (replace_by_link("shards/00000.safetensors"), "00000.safetensors is a link"),
        (replace_by_link("shards/00001.texts.jsonl"), "00001.texts.jsonl is a link"),
        (replace_by_link("manifest.jsonl"), "manifest.jsonl is a link"),
        (replace_by_link("shards"), "shards is not a plain directory"),
        (lambda root: (root / "store.json").unlink(), "no store at .*: store.json is missing"),
    ],
)
def test_tampering(small: Path, harm: Callable[[Path], None], message: str) -> None:
    whole = read_all(small)
    harm(small)
    problems = verify(small).problems
    assert any(re.search(message, problem) for problem in problems), problems
    assert_found(small, message, whole)


def test_a_run_in_place_of_its_store(tmp_path: Path) -> None:
    store = small_store(tmp_path / "responses" / "teacher")
    with pytest.raises(StoreError, match=f"no store at .* is missing; there is one at {store}$"):
        Store.open(tmp_path)


def test_rows_of_a_hostile_writer_are_found(tmp_path: Path) -> None:
    """Right hashes over wrong content: only the rules and the keys can tell."""
    root = tmp_path / "store"
    write_store(root)
    said = tree(root)["shards/00000.texts.jsonl"]
    assert verify(root).ok
    about = description(vocabulary_size=200)  # smaller than the ids that are stored
    (root / "store.json").write_bytes(description_file(about, 3))
    found = " ".join(verify(root).problems)
    assert "a token id is not below 200" in found
    assert said == tree(root)["shards/00000.texts.jsonl"]
    assert FORMAT_VERSION == 1


def test_verify_reports_every_problem(small: Path) -> None:
    for number in (0, 1):
        path = small / "shards" / f"0000{number}.texts.jsonl"
        path.write_bytes(path.read_bytes().replace(b"answer", b"Answer"))
    (small / "vocabulary.safetensors").write_bytes(b"")
    (small / "shards" / "notes.txt").write_bytes(b"")
    result = verify(small)
    assert [problem.split("/")[-1].split(" ")[0] for problem in result.problems] == [
        "00000.texts.jsonl", "00001.texts.jsonl", "notes.txt", "vocabulary.safetensors",
    ]  # fmt: skip
    assert (result.ok, result.rows, result.positions) == (False, 0, 0)
    assert verify(small / "nowhere").problems[0].endswith("there is no such directory")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@settings(max_examples=200)
@given(
    file=st.sampled_from(["store.json", "manifest.jsonl", "summary.json"]),
    key=st.integers(0, 30),
    value=json_values,
)
def test_any_value_anywhere(file: str, key: int, value: object) -> None:
    """A hostile writer can keep every CRC right; reading still fails with one kind of error."""
    with memory_folder() as root:
        assert is_same_or_refused(root, file, key, value)


def is_same_or_refused(root: Path, file: str, key: int, value: object) -> bool:
    """Whether a value in place of another is found, or is the one that was there."""
    with StoreWriter(root, description(), shard_samples=1) as writer:
        writer.write(0, [sample(4, positions=2)])
        if file == "summary.json":
            writer.finish(None, {})
    body = unseal((root / file).read_bytes())
    name = sorted(body)[key % len(body)]
    (root / file).write_bytes(seal({**body, name: value}))
    if body[name] == value and type(body[name]) is type(value):
        return True
    for partial in (False, True):
        with contextlib.suppress(StoreError):
            store = Store.open(root, allow_partial=partial)
            for found in store.keys:
                frozen(store[found])
    return not verify(root).ok or (file, name) == ("summary.json", "summary")


@settings(max_examples=200)
@given(
    at=st.integers(0, 2_000), bit=st.integers(0, 7), cut=st.integers(1, 40),
    layout=st.sampled_from(["padded", "ragged"]),
)  # fmt: skip
def test_a_damaged_shard_with_the_right_hash(at: int, bit: int, cut: int, layout: str) -> None:
    """The shard's bytes are changed and its line too: still no other error than a StoreError."""
    with memory_folder() as root:
        assert samples_read(root, at, bit, cut, layout) in (1, None)


def samples_read(root: Path, at: int, bit: int, cut: int, layout: str) -> int | None:
    """How many samples such a store still gives; None where it is refused."""
    with StoreWriter(root, description(layout=layout), shard_samples=1) as writer:
        writer.write(0, [sample(4, positions=2)])
    path = sorted((root / "shards").iterdir())[at % 2]
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1 << bit
    if cut > 36:
        del content[at % len(content) :]
    path.write_bytes(content)
    body = unseal((root / "manifest.jsonl").read_bytes())
    arrays = path.name.endswith("safetensors")
    body["arrays" if arrays else "texts"] = mark(bytes(content)).as_json()
    (root / "manifest.jsonl").write_bytes(seal(body))
    verify(root)
    try:
        store = Store.open(root, allow_partial=True)
        return len([frozen(store[key]) for key in store.keys])
    except StoreError:
        return None


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_a_key_in_two_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    """However many look, problems come in the order of the shards."""
    samples = [sample(number) for number in range(3)]
    for number, place in enumerate(("one", "other")):
        with StoreWriter(tmp_path / place, description(), shard_samples=2) as writer:
            writer.write(number, samples[number : number + 2])
    whole, other = tmp_path / "one", tmp_path / "other"
    for path in (other / "shards").iterdir():
        shutil.copy(path, whole / "shards")
    with (whole / "manifest.jsonl").open("ab") as manifest:
        manifest.write((other / "manifest.jsonl").read_bytes())
    verifying = sys.modules["specialize.store.verify"]  # the function hides its module
    monkeypatch.setattr(verifying, "EACH", 1)
    monkeypatch.setattr(verifying, "usable_cores", lambda: processes)
    found = verify(whole)
    key = samples[1].response.key
    assert found.problems[1:] == (
        f"{whole / 'shards' / '00001.safetensors'}: {key} is in shard 0 already",
    )
    assert (found.rows, found.positions) == (4, sum(map(len, samples)) + len(samples[1]))
