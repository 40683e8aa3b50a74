"""Responses become targets in the student's vocabulary: same keys, whole mass, resumable."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from specialize import datasets
from specialize.config.recipe import Teacher as TeacherSettings
from specialize.errors import ConfigurationError, NothingPassedError, StoreError
from specialize.imports.codex import import_codex
from specialize.store import Sample, Store, StoreWriter, verify
from specialize.targets import stage
from specialize.targets.stage import write_targets
from specialize.teacher.dump import dump
from specialize.teacher.protocol import Finish, ScoredText
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys
from tests.support.scripted_teacher import ScriptedTeacher
from tests.support.store_samples import topk_logprob

EXAMPLES = teacher_toys.examples(5)


def says(prompt: str, turn: int) -> tuple[str, Finish]:
    """The worked solution, with and without an end; then a wrong one."""
    example = next(e for e in EXAMPLES if f"{e.question}\n" in prompt)
    right = f"{example.rationale}\nThe answer is {example.answer}"
    return [(right, "eos"), (f"{right}\n\nQ: so", "answer"), (f"{right}5", "eos")][turn]


@pytest.fixture
def responses(tmp_path: Path) -> Path:
    """15 responses in 3 shards by a teacher with a byte-level vocabulary."""
    out = tmp_path / "responses"
    settings = TeacherSettings(samples=3, max_new_tokens=99)
    teacher = ScriptedTeacher(load_tokenizer(teacher_toys.gpt2()), says)
    dump(teacher, EXAMPLES, out, settings, shard_samples=6)
    return out


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(p.relative_to(root)): p.read_bytes() for p in files if not p.name.startswith(".")}


def check_rows(sample: Sample) -> None:
    """Whole mass up to half precision, no NaN, distinct ids."""
    rows = sample.distributions
    np.testing.assert_allclose(rows.mass(), 1, atol=5e-4)
    assert not np.isnan(rows.logprobs).any()
    for r in range(len(rows)):
        ids = rows[r : r + 1].ids.tolist()
        assert len(set(ids)) == len(ids) > 0


@pytest.mark.parametrize("policy", ["prefix", "one-to-one", "nearest", "chunk", "byte-prefix"])
def test_targets_of_a_unigram_student(responses: Path, tmp_path: Path, policy: str) -> None:
    student = load_tokenizer(teacher_toys.t5())
    found = write_targets(
        responses, tmp_path / "t", student=str(teacher_toys.t5()), policy=policy, top_k=4
    )
    assert verify(tmp_path / "t").ok
    source, store = Store.open(responses), Store.open(tmp_path / "t")
    assert store.keys == source.keys
    assert store.description.kind == "targets"
    assert store.description.fingerprint == student.fingerprint
    assert store.description.settings["responses"] == f"sha256:{source.digest}"
    assert store.summary == found
    rows = 0
    for key in store.keys:
        target = store[key]
        assert target.response == source[key].response
        ids = student.encode(target.response.text, eos=True)
        assert target.token_id.tolist() == ids
        check_rows(target)
        rows += len(ids)
    assert (found["samples"], found["positions"]) == (15, rows)
    by_kind = sum(int(str(found[name])) for name in found if name.startswith("rows_"))
    assert by_kind == rows
    assert 0.05 < float(str(found["soft_share"])) < 1
    assert sum(of_class["rows"] for of_class in found["by_class"].values()) == rows
    if policy == "prefix":
        assert found["by_class"]["number"]["soft_share"] == 1
    assert float(str(found["mean_stored"])) <= float(str(found["mean_kept"])) + 1e-3


def test_the_end_of_sequence(responses: Path, tmp_path: Path) -> None:
    """The teacher's own row, where it ended and where it was cut and would have gone on."""
    write_targets(responses, tmp_path / "t", student=str(teacher_toys.t5()))
    store = Store.open(tmp_path / "t")
    for example in EXAMPLES:
        ended, talked = (
            store[example.id, 0].distributions[-1:],
            store[example.id, 1].distributions[-1:],
        )
        assert not ended.is_hard[0]
        assert not talked.is_hard[0]  # it would have gone on


@pytest.mark.parametrize("ended", [True, False])
def test_a_student_with_the_teachers_tokenizer_gets_the_teachers_rows(
    responses: Path, tmp_path: Path, ended: bool
) -> None:
    """Whether the teacher's rows have the end or not, as those of scored texts."""
    given, eos = Store.open(responses), load_tokenizer(teacher_toys.gpt2()).eos
    with StoreWriter(tmp_path / "r", given.description, shard_samples=8) as writer:
        writer.write(0, [one if ended else without_end(one, eos) for one in given])
        writer.finish(given.align_vocabulary(), {})
    write_targets(tmp_path / "r", tmp_path / "t", student=str(teacher_toys.gpt2()), top_k=5)
    source, store = Store.open(tmp_path / "r"), Store.open(tmp_path / "t")
    for a in source:
        b = store[a.response.key]
        added = [] if ended else [eos]
        assert a.token_id.tolist() + added == b.token_id.tolist()
        mine, its = a.distributions, b.distributions[: len(a)]
        for row, other in zip(mine.padded(5)[:2], its.padded(5)[:2], strict=True):
            np.testing.assert_allclose(row, other, atol=1e-3)
        np.testing.assert_allclose(mine.tail, its.tail, atol=1e-3)
        end = b.distributions[len(a) :]
        assert (end.ids.tolist(), end.is_hard.all()) == (added, True)


def without_end(one: Sample, eos: int | None) -> Sample:
    assert one.token_id[-1] == eos
    return replace(
        one,
        token_id=one.token_id[:-1],
        token_logprob=one.token_logprob[:-1],
        distributions=one.distributions[:-1],
    )


def test_entries_beyond_the_tokenizer_join_the_tail(tmp_path: Path) -> None:
    class Wide(ScriptedTeacher):
        """Names an id that its model has and its tokenizer has not."""

        def scored(self, text: str, finish: Finish, k: int, seed: int) -> ScoredText:
            made = super().scored(text, finish, k, seed)
            made.distributions.ids[1::k] = self.tokenizer.size + 1  # the second entry of each row
            return made

    tokenizer = load_tokenizer(teacher_toys.gpt2())
    dump(Wide(tokenizer, says), EXAMPLES, tmp_path / "r", TeacherSettings(max_new_tokens=9))
    for student in (teacher_toys.gpt2(), teacher_toys.t5()):
        write_targets(tmp_path / "r", tmp_path / student.name, student=str(student))
        store = Store.open(tmp_path / student.name)
        assert verify(tmp_path / student.name).ok
        for sample in store:
            assert sample.distributions.ids.max() < store.description.vocabulary_size
            check_rows(sample)
    a, b = (Store.open(tmp_path / name)[EXAMPLES[0].id, 0] for name in ("r", "gpt2"))
    moved = np.exp(a.distributions.tail.astype(float)) + np.exp(topk_logprob(a)[:, 1].astype(float))
    np.testing.assert_allclose(np.exp(b.distributions.tail.astype(float)), moved, atol=1e-3)


def test_killed_and_resumed_is_byte_identical(responses: Path, tmp_path: Path) -> None:
    student = str(teacher_toys.t5())
    whole = write_targets(responses, tmp_path / "whole", student=student)
    out = tmp_path / "killed"
    shutil.copytree(tmp_path / "whole", out)
    (out / "summary.json").unlink()
    lines = (out / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    (out / "manifest.jsonl").write_bytes(lines[2] + lines[0][:40])
    assert write_targets(responses, out, student=student) == whole
    assert tree(out) == tree(tmp_path / "whole")
    assert write_targets(responses, out, student=student) == whole
    assert tree(out) == tree(tmp_path / "whole")


@pytest.mark.parametrize(("each", "begun"), [(1, 2), (4, 0)])
def test_no_target_depends_on_how_many_work(
    responses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, each: int, begun: int
) -> None:
    """Processes are forked, for learning and for projecting, where each has shards enough."""
    counts: list[int] = []
    fork = stage.forked

    def noted(work: Callable[[int], object], numbers: Sequence[int], count: int, **more: object):
        counts.append(count)
        return fork(work, numbers, count, **more)

    monkeypatch.setattr(stage, "EACH", each)
    monkeypatch.setattr(stage, "forked", noted)
    for threads in (1, 2):
        student, out = str(teacher_toys.t5()), tmp_path / str(threads)
        write_targets(responses, out, student=student, threads=threads)
    assert tree(tmp_path / "1") == tree(tmp_path / "2")
    assert counts == ([2] * begun if stage.can_fork() else [])


def test_only_correct_responses(responses: Path, tmp_path: Path) -> None:
    found = write_targets(responses, tmp_path / "t", student=str(teacher_toys.t5()), keep="correct")
    assert (found["samples"], found["left_out"]) == (10, 5)
    assert all(sample.response.correct for sample in Store.open(tmp_path / "t"))


def test_none_left(tmp_path: Path) -> None:
    teacher = ScriptedTeacher(load_tokenizer(teacher_toys.gpt2()), lambda *_: ("So 1", "eos"))
    dump(teacher, EXAMPLES, tmp_path / "r", TeacherSettings(max_new_tokens=9))
    with pytest.raises(NothingPassedError, match=r"none of 5 responses .* keep='correct'"):
        write_targets(
            tmp_path / "r", tmp_path / "t", student=str(teacher_toys.t5()), keep="correct"
        )


def test_refusals(responses: Path, tmp_path: Path) -> None:
    student, out = str(teacher_toys.t5()), tmp_path / "t"
    write_targets(responses, out, student=student)
    with pytest.raises(ConfigurationError, match=r"fingerprint: '\w+' in the store, '\w+' now"):
        write_targets(responses, out, student=str(teacher_toys.gpt2()))
    with pytest.raises(ConfigurationError, match=r"settings\.policy: 'prefix' in the store"):
        write_targets(responses, out, student=student, policy="one-to-one")
    with pytest.raises(ConfigurationError, match="holds targets, not responses"):
        write_targets(out, tmp_path / "u", student=student)
    with pytest.raises(StoreError, match="no store at"):
        write_targets(tmp_path / "none", tmp_path / "u", student=student)
    endless = tmp_path / "endless"
    shutil.copytree(teacher_toys.gpt2(), endless)
    (endless / "tokenizer_config.json").write_text("{}")
    for name in ("config.json", "generation_config.json"):
        (endless / name).write_text("{}")
    definition = json.loads((endless / "tokenizer.json").read_text())
    definition["added_tokens"] = []
    (endless / "tokenizer.json").write_text(json.dumps(definition))
    with pytest.raises(ConfigurationError, match="has no end of sequence"):
        write_targets(responses, tmp_path / "u", student=str(endless))
    assert not (tmp_path / "u").exists()


def test_damaged_responses_are_refused(responses: Path, tmp_path: Path) -> None:
    shard = sorted((responses / "shards").glob("*.safetensors"))[1]
    content = bytearray(shard.read_bytes())
    content[-7] ^= 4
    shard.write_bytes(content)
    with pytest.raises(StoreError, match=f"{shard.name} does not have the hash"):
        write_targets(responses, tmp_path / "t", student=str(teacher_toys.t5()))
    shard.write_bytes(content[:-1])
    with pytest.raises(StoreError, match=rf"{shard.name} has [\d,]+ bytes instead of"):
        write_targets(responses, tmp_path / "t", student=str(teacher_toys.t5()))
    (responses / "summary.json").unlink()
    with pytest.raises(StoreError, match="is not finished"):
        write_targets(responses, tmp_path / "t", student=str(teacher_toys.t5()))


@pytest.mark.realdata
def test_codex_to_t5(tmp_path: Path, data_dir: Path) -> None:
    source = data_dir / "codex/codex_q0_samples_top5.json"
    examples = datasets.load("gsm8k", str(data_dir / "gsm8k/train.jsonl"), split="train")
    import_codex(source, tmp_path / "r", examples=examples)
    student = str(data_dir / "tokenizers/t5")
    shares = {}
    for policy in ("prefix", "one-to-one"):
        found = write_targets(tmp_path / "r", tmp_path / policy, student=student, policy=policy)
        assert verify(tmp_path / policy).ok
        assert found["positions"] == 2243
        assert found["rows_eos"] == 50
        for sample in Store.open(tmp_path / policy):
            check_rows(sample)
            assert sample.token_id[-1] == 1
        shares[policy] = float(str(found["soft_share"]))
    assert shares["prefix"] > 0.97
    assert 0.6 < shares["one-to-one"] < 0.85
