"""A server with every fault at once: the store is that of a server without any."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from specialize.config.recipe import Teacher as Settings
from specialize.errors import TeacherError
from specialize.records import Example
from specialize.store import Store, verify
from specialize.teacher.dump import dump
from specialize.teacher.planning import plan
from specialize.teacher.protocol import Sampling
from specialize.teacher.served import connect
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.chaos_server import FAULTS, HARMLESS, SCORE_FAULTS, Chaos
from tests.support.scripted_model import ScriptedModel, answer
from tests.support.scripted_server import Body, Reply, scripted
from tests.support.store_samples import topk_id, topk_logprob

ROWS = int(os.environ.get("SPECIALIZE_CHAOS_ROWS", "200"))
SHARE = float(os.environ.get("SPECIALIZE_CHAOS_SHARE", "0.2"))


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(load_tokenizer(toys.gpt2()))


def settings_of(urls: list[str], **values: object) -> Settings:
    server = {
        "kind": "vllm", "urls": urls, "tokenizer": str(toys.gpt2()),
        "timeout_seconds": 1.0, "retry_seconds": 60,
    }  # fmt: skip
    base = {"model": "scripted", "samples": 2, "max_new_tokens": 8, "server": server}
    return Settings.model_validate({**base, **values})


def questions(count: int) -> list[Example]:
    return [Example(f"toy/train/{i:05d}", f"Case {i}?", "7") for i in range(count)]


def stored(root: Path) -> dict[str, bytes]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in files
        if not p.name.startswith(".") and p.name != "journal.jsonl"
    }


def run_dump(model: ScriptedModel, share: float, out: Path, addresses: int = 1) -> Chaos:
    chaos = Chaos(model, share)
    with ExitStack() as stack:
        urls = [stack.enter_context(scripted(chaos)).url for _ in range(addresses)]
        settings = settings_of(urls)
        teacher = stack.enter_context(connect(settings, journal=out / "journal.jsonl"))
        summary = dump(teacher, questions(ROWS // 2), out, settings, shard_samples=128)
        assert summary.quarantined == {}
    return chaos


def test_faults_do_not_reach_the_store(model: ScriptedModel, tmp_path: Path) -> None:
    run_dump(model, 0.0, tmp_path / "clean")
    chaos = run_dump(model, SHARE, tmp_path / "chaos", addresses=2)
    print(f"{ROWS} rows, {sum(chaos.met.values())} faults of {len(chaos.met)} kinds")
    assert sum(chaos.met.values()) > ROWS * SHARE / 2
    assert len(FAULTS) >= 30
    assert stored(tmp_path / "chaos") == stored(tmp_path / "clean")
    assert len(Store.open(tmp_path / "chaos")) == 2 * (ROWS // 2)
    assert verify(tmp_path / "chaos").ok


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_alone(model: ScriptedModel, name: str) -> None:
    """The first answer has the fault, the next is right; or the fault is none."""
    prompt, sampling = "Q: Case 1?\n", Sampling(8, top_k=5)
    faulty = False

    def says(path: str, body: Body, turn: int) -> Reply:
        value = answer(model, path, body)
        return FAULTS[name](value) if faulty and turn == 0 else Reply(value)

    with scripted(says) as server, connect(settings_of([server.url])) as teacher:
        [wanted] = teacher.sample([prompt], [1], sampling)
        faulty, before = True, teacher.sent
        [found] = teacher.sample([prompt], [7], sampling)
        asked = sum(body.get("seed") == 7 for _, body, _ in server.requests)
        faulty = False
        [again] = teacher.sample([prompt], [7], sampling)
    assert found.fault == ""
    assert found.text == again.text
    assert (topk_logprob(found) == topk_logprob(again)).all()
    assert asked == (1 if name in HARMLESS else 2)
    assert teacher.sent > before
    assert wanted.fault == ""


@pytest.mark.parametrize("name", sorted(SCORE_FAULTS))
def test_every_fault_of_scores_alone(model: ScriptedModel, name: str) -> None:
    prompt, text, sampling = "Q: Case 1?\n", "So é 7.\nThe answer is 7", Sampling(8, top_k=5)
    faulty = False

    def says(path: str, body: Body, turn: int) -> Reply:
        value = answer(model, path, body)
        bad = faulty and turn == 0 and "prompt_logprobs" in body
        return SCORE_FAULTS[name](value) if bad else Reply(value)

    with (
        scripted(says) as server,
        connect(settings_of([server.url], mode="score", samples=1)) as teacher,
    ):
        faulty, before = True, len(server.requests)
        [found] = teacher.score([prompt], [text], sampling)
        asked = len(server.requests) - before
        faulty = False
        [again] = teacher.score([prompt], [text], sampling)
    assert found.fault == ""
    assert asked == 2
    np.testing.assert_array_equal(topk_id(found), topk_id(again))
    np.testing.assert_array_equal(topk_logprob(found), topk_logprob(again))


def test_what_stays_bad_is_quarantined(model: ScriptedModel, tmp_path: Path) -> None:
    """Two questions that are never answered rightly, and one that is refused."""
    bad = {"Case 3?": "a mass above 1", "Case 5?": "rows shifted by one"}

    def says(path: str, body: Body, turn: int) -> Reply:
        value = answer(model, path, body)
        asked = model.tokenizer.decode(body["prompt"]) if path == "/v1/completions" else ""
        if "Case 7?" in asked:
            return Reply({"error": "prompt too long"}, status=400)
        for question, fault in bad.items():
            if question in asked:
                return FAULTS[fault](value)
        return Reply(value)

    out = tmp_path / "store"
    with scripted(says) as server:
        settings = settings_of([server.url], samples=1)
        with connect(settings, journal=out / "journal.jsonl") as teacher:
            summary = dump(teacher, questions(90), out, settings, shard_samples=30)
    assert sum(summary.quarantined.values()) == 3
    assert summary.quarantined["a mass above 1"] == 1
    assert summary.quarantined["refused"] == 1
    store = Store.open(out)
    assert len(store) == 87
    assert ("toy/train/00003", 0) not in store
    assert verify(out).ok
    listed = (out / "quarantine.jsonl").read_text().splitlines()
    assert len(listed) == 3
    assert '"example":"toy/train/00003","reason":"a mass above 1","sample":0' in listed[0]
    assert store.summary["quarantined"] == summary.quarantined


def test_a_server_that_can_not_be_believed_ends_the_dump(
    model: ScriptedModel, tmp_path: Path
) -> None:
    broken = True

    def says(path: str, body: Body, turn: int) -> Reply:
        value = answer(model, path, body)
        asked = model.tokenizer.decode(body["prompt"]) if path == "/v1/completions" else ""
        return FAULTS["a mass above 1"](value) if broken and "Case" in asked else Reply(value)

    out = tmp_path / "store"
    with scripted(says) as server:
        settings = settings_of([server.url], samples=1)
        with (
            connect(settings, journal=out / "journal.jsonl") as teacher,
            pytest.raises(TeacherError, match=r"10 of 10 responses could not be believed.*mass"),
        ):
            dump(teacher, questions(20), out, settings, shard_samples=10)
        assert not (out / "summary.json").exists()
        assert len((out / "quarantine.jsonl").read_text().splitlines()) == 10
        broken = False  # the server is mended: what it could not say is asked again
        with connect(settings, journal=out / "journal.jsonl") as teacher:
            summary = dump(teacher, questions(20), out, settings, shard_samples=10)
    assert summary.quarantined == {}
    assert (out / "quarantine.jsonl").read_bytes() == b""
    assert len(Store.open(out)) == 20


def test_restart_asks_again_and_a_dry_run_keeps_nothing(
    model: ScriptedModel, tmp_path: Path
) -> None:
    out = tmp_path / "store"
    with scripted(lambda path, body, turn: Reply(answer(model, path, body))) as server:
        settings = settings_of([server.url])
        with connect(settings) as teacher:
            planned = plan(teacher, questions(30), out, settings, shard_samples=32)
            assert teacher.sent == 4  # a few, which may have to be paid for
        assert (planned.rows, planned.shards, out.exists()) == (60, 2, False)
        for restart, asked in ((False, 60), (False, 0), (True, 60)):
            with connect(settings, journal=out / "journal.jsonl") as teacher:
                dump(teacher, questions(30), out, settings, shard_samples=32, restart=restart)
                assert teacher.sent == asked
            assert len((out / "journal.jsonl").read_text().splitlines()) == 60
        (out / "summary.json").unlink()
        (out / "manifest.jsonl").unlink()
        with connect(settings, journal=out / "journal.jsonl") as teacher:
            dump(teacher, questions(30), out, settings, shard_samples=32)
            assert teacher.sent == 0
    assert verify(out).ok
