"""Sets are read part by part, here or on the hub's stand-in, and continued where they stopped."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from specialize.errors import InputError
from specialize.imports import source_files
from specialize.imports.columns import import_columns
from specialize.imports.layouts import Layout
from specialize.imports.parquet_rows import part_rows
from specialize.imports.source_files import Part, files_of, parts_of
from specialize.quickstart.run import MODELS
from specialize.store import StoreWriter, verify
from specialize.tokens import load_tokenizer
from tests.support.drawn_rows import drawn
from tests.support.hub_server import Hub, hub
from tests.support.store_samples import topk_id, topk_logprob, tree

TEACHER = str(MODELS / "teacher")
LAYOUT = Layout("v", "logprobs", "i", tokens="t", beside="own")
K = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of seven records, three to a group of rows."""
    rng, tokenizer = np.random.default_rng(0), load_tokenizer(TEACHER)
    path = tmp_path_factory.mktemp("set") / "data"
    path.mkdir()
    for number in range(2):
        texts = [drawn(rng, tokenizer, k=K) for _ in range(7)]
        rows = [
            {"t": text.token_id.tolist(), "i": topk_id(text).tolist(),
             "v": topk_logprob(text).tolist()} for text in texts
        ]  # fmt: skip
        table = pa.Table.from_pylist(rows)
        file = path / f"train-0000{number}.parquet"
        parquet.write_table(table, file, row_group_size=3, write_page_checksum=True)
    return path


def run(source: Path | str, out: Path) -> dict[str, object]:
    return dict(import_columns(source, out, layout=LAYOUT, tokenizer=TEACHER, teacher="b", top_k=K))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_files, "SHARD_RECORDS", 2)


def test_parts_are_read_alone(folder: Path) -> None:
    parts = parts_of(files_of(folder))
    assert [(part.file.name[-9], part.first, part.last) for part in parts] == [
        (number, first, min(first + 2, 7)) for number in "01" for first in (0, 2, 4, 6)
    ]
    for skip in (frozenset[int](), frozenset({0, 3, 5}), frozenset(range(7))):
        found = list(part_rows(parts, ["t"], skip))
        assert [number for number, _, _ in found] == [n for n in range(8) if n not in skip]
        for _, part, rows in found:
            whole = parquet.read_table(part.file, columns=["t"])["t"].to_pylist()
            assert [row["t"].as_py() for row in rows] == whole[part.first : part.last]


def test_a_killed_import_goes_on_without_reading_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(folder, tmp_path / "whole")
    assert (whole["records"], whole["samples"]) == (14, 14)
    write: Callable[..., None] = StoreWriter.write

    def killed(writer: StoreWriter, shard: int, *rest: object, **named: object) -> None:
        if shard == 5:
            raise KeyboardInterrupt
        write(writer, shard, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            run(folder, tmp_path / "s")
    seen: list[Part] = []

    def counted(parts: list[Part], columns: list[str], skip: frozenset[int]) -> object:
        for found in part_rows(parts, columns, skip):
            seen.append(found.part)
            yield found

    monkeypatch.setattr("specialize.imports.columns.part_rows", counted)
    assert run(folder, tmp_path / "s") == whole
    assert [(part.first, part.last) for part in seen] == [(2, 4), (4, 6), (6, 7)]
    assert tree(tmp_path / "s") == tree(tmp_path / "whole")


def test_the_hub_is_read_where_it_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(folder, tmp_path / "here")
    with hub(monkeypatch) as there:
        fill(there, folder)
        address = "hf://datasets/me/rows"
        assert run(address, tmp_path / "there") == whole
        one = f"{address}@main/data/train-00000.parquet"
        for other in (f"{address}/data", f"{address}@main", one):
            names = [file.name for file in files_of(other)]
            assert names == [f"train-0000{n}.parquet" for n in range(2 - (other == one))]
        for wrong, message in (
            ("hf://me/rows", "is no dataset; write hf://datasets/OWNER/NAME"),
            (f"{address}/docs", "holds no parquet file, which alone are read from the hub"),
            ("hf://datasets/me/none", "hf://datasets/me/none cannot be read from the hub: "),
        ):
            with pytest.raises(InputError, match=re.escape(message)):
                files_of(wrong)
    ours, theirs = tree(tmp_path / "here"), tree(tmp_path / "there")
    same = [name for name in ours if ours[name] == theirs[name]]
    assert {name for name in ours if name.startswith(("shards", "vocab", "manifest"))} <= {*same}


def fill(there: Hub, folder: Path) -> None:
    for path in folder.iterdir():
        there.files["me/rows"][f"data/{path.name}"] = path.read_bytes()
    there.files["me/rows"]["README.md"] = b"# rows"


@pytest.mark.parametrize("damage", ["flip", "cut", "head"])
def test_damage_of_a_file(folder: Path, tmp_path: Path, damage: str) -> None:
    """A bit that flipped in a page with a checksum, the end of a file, its beginning."""
    source = tmp_path / "data"
    source.mkdir()
    content = bytearray((folder / "train-00000.parquet").read_bytes())
    column = parquet.read_metadata(folder / "train-00000.parquet").row_group(1).column(2)
    if damage == "flip":
        content[column.data_page_offset + column.total_compressed_size // 2] ^= 4
    part = {"flip": content, "cut": content[:-40], "head": content[40:]}[damage]
    (source / "train-00000.parquet").write_bytes(part)
    with pytest.raises(
        InputError, match=r"is damaged in its group [012] of rows|is no parquet file"
    ):
        run(source, tmp_path / "s")
    assert not verify(tmp_path / "s").ok
