"""Targets of a dump that is still being written are those of one that is finished."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from specialize.config.recipe import Teacher as TeacherSettings
from specialize.errors import ConfigurationError, StoreError
from specialize.io.part import Part
from specialize.store import Follower, Store, StoreWriter, following, verify
from specialize.store.layout import MANIFEST, SUMMARY, VOCABULARY
from specialize.targets.stage import write_targets
from specialize.teacher.dump import dump, padded_vocabulary
from specialize.teacher.protocol import Finish
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys
from tests.support.object_storage import clients
from tests.support.scripted_teacher import ScriptedTeacher
from tests.support.store_samples import tree

EXAMPLES = teacher_toys.examples(6)
POLICIES = ("prefix", "one-to-one", "nearest", "chunk", "byte-prefix")


def says(prompt: str, turn: int) -> tuple[str, Finish]:
    example = next(e for e in EXAMPLES if f"{e.question}\n" in prompt)
    return f"{example.rationale}\nThe answer is {example.answer}", "eos"


@pytest.fixture(scope="module")
def responses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 responses in 4 shards."""
    out = tmp_path_factory.mktemp("whole") / "responses"
    teacher = ScriptedTeacher(load_tokenizer(teacher_toys.gpt2()), says)
    settings = TeacherSettings(samples=2, max_new_tokens=99)
    dump(teacher, EXAMPLES, out, settings, shard_samples=3)
    return out


class Dump:
    """Writes a finished store again, a shard whenever somebody waits for it."""

    def __init__(self, whole: Path, out: str | Path, order: tuple[int, ...] = (0, 1, 2, 3)) -> None:
        self.whole, self.out, self.order = Store.open(whole), out, order
        self.waits = 0
        self._steps = self._written()

    def pause(self, seconds: float) -> None:
        assert 0 < seconds <= 5
        self.waits += 1
        next(self._steps)

    def _written(self) -> Iterator[None]:
        yield
        vocabulary = load_tokenizer(teacher_toys.gpt2()).vocabulary()
        about, sizes = self.whole.description, 3
        with StoreWriter(self.out, about, shard_samples=sizes) as writer:
            writer.publish(padded_vocabulary(vocabulary, about.vocabulary_size))
            yield
            for number in self.order:
                if number not in writer.committed:
                    counts = self.whole.records[number].counts
                    writer.write(number, self.whole.shard(number), counts=counts)
                    yield
            writer.finish(self.whole.align_vocabulary(), self.whole.summary)
        yield


def visible(root: str | Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(Path(root)).items() if not name.startswith(".")}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_growing_store_gives_the_same_targets(
    responses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    """From before the directory is there, with shards that come out of order."""
    student = str(teacher_toys.t5())
    write_targets(responses, tmp_path / "after", student=student, policy=policy)
    growing = Dump(responses, tmp_path / "responses", order=(0, 2, 1, 3))
    monkeypatch.setattr(following, "_sleep", growing.pause)
    write_targets(growing.out, tmp_path / "along", student=student, policy=policy, follow=True)
    assert growing.waits >= 5
    assert visible(growing.out) == visible(responses)
    assert visible(tmp_path / "along") == visible(tmp_path / "after")
    assert verify(tmp_path / "along").ok


@pytest.mark.parametrize("policy", ["prefix", "one-to-one"])
@pytest.mark.parametrize("again", ["followed", "after the end"])
def test_a_follower_that_was_killed_continues(
    responses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str, again: str
) -> None:
    student, out = str(teacher_toys.t5()), tmp_path / "along"
    write_targets(responses, tmp_path / "after", student=student, policy=policy)
    growing = Dump(responses, tmp_path / "responses")

    def killed_after(waits: int) -> Callable[[float], None]:
        def pause(seconds: float) -> None:
            growing.pause(seconds)
            if growing.waits == waits:
                raise KeyboardInterrupt

        return pause

    for waits in (3, 4, 6):
        monkeypatch.setattr(following, "_sleep", killed_after(waits))
        with pytest.raises(KeyboardInterrupt):
            write_targets(growing.out, out, student=student, policy=policy, follow=True)
    assert len(Store.open(out, allow_partial=True).records) == (3 if policy == "one-to-one" else 0)
    monkeypatch.setattr(following, "_sleep", growing.pause)
    if again == "after the end":
        while not (growing.out / SUMMARY).exists():
            growing.pause(1)
    write_targets(growing.out, out, student=student, policy=policy, follow=again == "followed")
    assert visible(out) == visible(tmp_path / "after")


def test_a_store_in_a_bucket_is_followed(
    responses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: object
) -> None:
    """Written by another machine, whose files are not here."""
    student = str(teacher_toys.t5())
    write_targets(responses, tmp_path / "after", student=student, policy="nearest")
    growing = Dump(responses, "s3://bucket/run/responses")

    def pause(seconds: float) -> None:
        monkeypatch.setenv("SPECIALIZE_CACHE", str(tmp_path / "writer"))
        growing.pause(seconds)
        monkeypatch.setenv("SPECIALIZE_CACHE", str(tmp_path / "reader"))

    monkeypatch.setenv("SPECIALIZE_CACHE", str(tmp_path / "reader"))
    monkeypatch.setattr(following, "_sleep", pause)
    write_targets(growing.out, tmp_path / "along", student=student, policy="nearest", follow=True)
    assert growing.waits >= 5
    assert visible(tmp_path / "along") == visible(tmp_path / "after")


def test_the_lease_of_a_bucket_tells_whether_somebody_writes(
    responses: Path, storage: object, impatient: list[float]
) -> None:
    whole, place = Store.open(responses), "s3://bucket/run/responses"
    with StoreWriter(place, whole.description, shard_samples=3) as writer:
        writer.write(0, whole.shard(0))
    signs = [b"alive", b"still alive", b"still alive"]

    def renewed(seconds: float) -> None:
        if impatient[0] // 700 < len(signs):
            clients().pipe_file("bucket/run/responses/lease.json", signs[int(impatient[0] // 700)])
        impatient[0] += seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(following, "_sleep", renewed)
        patch.setattr(following, "_SHORTEST", 200.0)
        patch.setattr(following, "_LONGEST", 200.0)
        with pytest.raises(StoreError, match=r"has 1 shards and is not finished, and nobody"):
            Follower(place).wait_for(2)
    assert impatient[0] > 1800


def test_a_finished_store_is_not_waited_for(
    responses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_sleep", None)
    student = str(teacher_toys.t5())
    write_targets(responses, tmp_path / "t", student=student, follow=True)
    assert Store.open(tmp_path / "t").is_finished


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only waiting moves."""
    clock = [0.0]

    def pause(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(following, "_sleep", pause)
    monkeypatch.setattr(following.time, "monotonic", lambda: clock[0])
    return clock


def test_a_writer_that_is_gone_is_not_waited_for_long(
    responses: Path, tmp_path: Path, impatient: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    left = tmp_path / "responses"
    shutil.copytree(responses, left)
    (left / SUMMARY).unlink()
    student = str(teacher_toys.t5())
    with pytest.raises(StoreError, match=r"has 4 shards and is not finished, and nobody writes it"):
        write_targets(left, tmp_path / "t", student=student, follow=True)
    assert 600 < impatient[0] < 610
    assert capsys.readouterr().err.count("waiting for more") == 1
    with pytest.raises(StoreError, match=r"nowhere is not there, and nobody writes it; run the"):
        write_targets(tmp_path / "nowhere", tmp_path / "t2", student=student, follow=True)
    assert "nowhere, which is not there yet: waiting for it" in capsys.readouterr().err


def test_a_writer_that_is_slow_is_waited_for(
    responses: Path, tmp_path: Path, impatient: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = Dump(responses, tmp_path / "responses")

    def slow(seconds: float) -> None:
        impatient[0] += seconds
        if impatient[0] > 700 * (growing.waits + 1) or growing.waits < 2:
            growing.pause(seconds)

    monkeypatch.setattr(following, "_sleep", slow)
    write_targets(growing.out, tmp_path / "t", student=str(teacher_toys.t5()), follow=True)
    assert impatient[0] > 2100


def test_responses_that_are_begun_again_are_refused(
    responses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = Dump(responses, tmp_path / "responses")

    def pause(seconds: float) -> None:
        if growing.waits < 4:
            growing.pause(seconds)
        else:  # another text in a shard that was read
            lines = (growing.out / MANIFEST).read_bytes().splitlines(keepends=True)
            (growing.out / MANIFEST).write_bytes(b"".join(lines[1:]))

    monkeypatch.setattr(following, "_sleep", pause)
    student = str(teacher_toys.t5())
    with pytest.raises(StoreError, match="was begun again while it was read"):
        write_targets(growing.out, tmp_path / "t", student=student, follow=True)


def test_targets_of_other_responses_are_not_continued(
    responses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dump that was begun anew has other texts from its first shard on."""
    student, out, whole = str(teacher_toys.t5()), tmp_path / "t", Store.open(responses)
    with StoreWriter(tmp_path / "other", whole.description, shard_samples=3) as writer:
        writer.publish(load_tokenizer(teacher_toys.gpt2()).vocabulary())
        writer.write(0, whole.shard(1))
    monkeypatch.setattr(following, "_sleep", stop)
    with pytest.raises(KeyboardInterrupt):
        write_targets(tmp_path / "other", out, student=student, policy="nearest", follow=True)
    with pytest.raises(ConfigurationError, match="begun with another configuration"):
        write_targets(responses, out, student=student, policy="nearest", follow=True)


def stop(seconds: float) -> None:
    raise KeyboardInterrupt


def test_a_part_follows_nothing(responses: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="part 0/2 cannot follow a store"):
        write_targets(
            responses, tmp_path / "t", student=str(teacher_toys.t5()), part=Part(0, 2), follow=True
        )


def test_a_store_without_pieces_is_waited_for_to_its_end(responses: Path, tmp_path: Path) -> None:
    left = tmp_path / "responses"
    shutil.copytree(responses, left)
    for name in (SUMMARY, VOCABULARY):
        (left / name).unlink()
    with pytest.raises(StoreError, match="has no vocabulary before it is finished"):
        write_targets(left, tmp_path / "t", student=str(teacher_toys.t5()), follow=True)
