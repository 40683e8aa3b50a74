"""Commands on stores in a bucket: bytes and words of local ones, no credentials in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.io import progress
from specialize.objects.address import directory_of
from specialize.quickstart.run import MODELS, Size, quickstart_recipe, write_data
from specialize.train.preparation import prepare
from tests.support.commands import specialize
from tests.support.killed_stages import visible
from tests.support.object_storage import KEY, SECRET, Server, clients, objects
from tests.support.part_stages import MANY, align_into, dump_into
from tests.support.store_samples import tree, write_store

ROOT = Path(__file__).parents[3]
STUDENT = str(MODELS / "student")


@pytest.fixture(autouse=True)
def _as_loud_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``-q`` says is said for one test."""
    monkeypatch.setattr(progress._Setting, "verbosity", "normal")


def without_credentials(*folders: Path) -> None:
    """No file in ``folders``, and no object, has the key or the secret in it."""
    found = objects("s3://bucket/run")
    for folder in folders:
        found |= {f"{folder}/{name}": content for name, content in tree(folder).items()}
    assert len(found) > 10
    bad = [name for name, content in found.items() if KEY.encode() in content]
    assert not bad + [name for name, content in found.items() if SECRET.encode() in content]


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_dump_and_align(storage: Server, tmp_path: Path) -> None:
    """Forked processes read the eight shards, each with a client of its own."""
    places = [str(tmp_path / "run" / "responses"), "s3://bucket/run/responses"]
    for place in places:
        dump_into(Path(place), examples=MANY[:16])
        aligned = ["align", place, place.replace("responses", "targets")]
        done = specialize(tmp_path, "-q", *aligned, "--student", STUDENT, "--threads", "2")
        assert (done.returncode, done.stderr) == (0, "")
    for kind in ("responses", "targets"):
        assert objects(f"s3://bucket/run/{kind}") == visible(tmp_path / "run" / kind)
    without_credentials(tmp_path)


def test_commands_that_read(storage: Server, tmp_path: Path) -> None:
    places = [str(tmp_path / "store"), "s3://bucket/run/store"]
    for place in places:
        write_store(place)
    for command in (["verify"], ["inspect"], ["compare-stores", str(tmp_path / "store")]):
        json = [] if command == ["inspect"] else ["--json"]
        local, there = (specialize(tmp_path, *command, place, *json) for place in places)
        assert local.returncode == there.returncode == 0
        assert there.stdout.count(str(tmp_path)) == (command[0] == "compare-stores")
        assert there.stdout.replace(places[1], places[0]) == local.stdout
    for number, place in enumerate(places):
        assert specialize(tmp_path, "export", place, f"{number}.jsonl").returncode == 0
    assert (tmp_path / "0.jsonl").read_bytes() == (tmp_path / "1.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (["verify", "s3://bucket/none"], 3, "s3://bucket/none: no store at s3://bucket/none"),
        (["inspect", "s3://nobodys/x"], 2, "s3://nobodys/x: The specified bucket does not exist"),
        (["verify", "http://host/x"], 2, "not at http://"),
        (["align", "s3://a:hunter2@bucket/x", "t", "--student", "x"], 2, "has credentials"),
        (["verify", "s3://bucket/x?X-Amz-Signature=hunter2"], 2, "has credentials or a query"),
        (["export", "t", "s3://bucket/rows.jsonl"], 2, "only stores can be in object storage"),
        (["inspect", "t", "--html", "s3://bucket/a"], 2, "only stores can be in object storage"),
        (["pair", "s3://bucket/none", STUDENT], 3, "no store at s3://bucket/none"),
        (["evaluate", "s3://bucket/run"], 2, "only stores can be in object storage"),
        (["train", "r.yaml", "s3://bucket/run"], 2, "only stores can be in object storage"),
    ],
)
@pytest.mark.usefixtures("storage")
def test_refusals(tmp_path: Path, command: list[str], code: int, says: str) -> None:
    done = specialize(tmp_path, "-q", *command)
    assert done.returncode == code, done
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr
    assert not (tmp_path / "s3:").exists()


@pytest.mark.usefixtures("storage")
def test_messages_name_the_address(tmp_path: Path) -> None:
    write_store("s3://bucket/run/store", shards=1)
    done = specialize(tmp_path, "-q", "inspect", "s3://bucket/run/store", "--example", "x")
    assert done.stderr.startswith("error: s3://bucket/run/store has no sample 0 of 'x'")
    clients().pipe_file("bucket/run/store/shards/00000.safetensors", b"")
    done = specialize(tmp_path, "-q", "verify", "s3://bucket/run/store")
    assert done.returncode == 3
    assert "error: s3://bucket/run/store: s3://bucket/run/store/shards/00000.safe" in done.stderr


@pytest.mark.usefixtures("storage")
def test_training_reads_targets_from_a_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dump_into(tmp_path / "responses")
    align_into(tmp_path / "responses", Path("s3://bucket/run/targets/tiny"))
    run = tmp_path / "run"
    write_data(run / "data", Size(questions=10, examples=2))
    recipe = quickstart_recipe(run, Size(questions=10, examples=2))
    elsewhere = {"tiny": "s3://bucket/run/targets/tiny"}
    prepared = prepare(recipe, run, targets=elsewhere)
    assert prepared.stores["tiny"].path == directory_of(elsewhere["tiny"])
    assert len(prepared.stores["tiny"]) == 14
    assert "fetched again" not in capsys.readouterr().err
    monkeypatch.setenv("SPECIALIZE_CACHE_GB", "1e-6")
    prepare(recipe, run, targets=elsewhere)
    said = "the targets of tiny are larger than the cache of 1.0 kB: shards will be fetched again"
    assert said in capsys.readouterr().err
    with pytest.raises(ValueError, match="targets are named of 'big', of whom no objective learns"):
        prepare(recipe, run, targets={"big": "s3://bucket/run/targets/tiny"})
