"""What a store keeps, refuses and gives back."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align.sparse import SparseDistributions
from align.vocabulary import BARE, MARKER, SPECIAL, UNKNOWN, build_vocabulary
from specialize.errors import ConfigurationError, LockedError, StoreError
from specialize.records import ChatPrompt, Message, Response
from specialize.store import (
    Sample,
    Store,
    StoreWriter,
    own_logprobs,
    stored_rows,
    verify,
)
from specialize.store.arrays import row_problems
from specialize.store.sealed import canonical, seal, unseal
from tests.support.store_samples import (
    PIECES,
    SHARDS,
    K,
    V,
    description,
    memory_folder,
    padded_sample,
    sample,
    shard,
    topk_id,
    topk_logprob,
    tree,
    write_store,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_store(tmp_path / "store")
    return tmp_path / "store"


# --- what comes back ---

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
chats = st.builds(
    lambda said, asked, arguments: ChatPrompt(
        (Message("assistant", *said), Message("user", asked)), arguments
    ),
    st.tuples(texts, texts), texts, st.dictionaries(texts, st.none() | st.booleans() | texts),
)  # fmt: skip


@st.composite
def samples(draw: st.DrawFn, number: int, k: int, size: int) -> Sample:
    """A valid sample of any shape: unused slots, certain tokens, no positions at all."""
    rows = draw(st.integers(0, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mass = rng.dirichlet(np.full(k + 1, draw(st.sampled_from([0.05, 0.5, 5.0]))), rows)
    kept = mass[:, :k] * (rng.random((rows, k)) > draw(st.sampled_from([0.0, 0.4, 1.0])))
    with np.errstate(divide="ignore"):
        logprobs = np.log(-np.sort(-kept, axis=1)).astype(np.float32)
        tail = np.log(np.maximum(1 - kept.sum(axis=1), 0)).astype(np.float32)
    ids = np.stack([rng.choice(size, k, replace=False) for _ in range(rows)] or [np.zeros(k, int)])
    response = Response(
        f"{draw(texts)}/{number}", draw(st.integers(0, 2**31 - 1)), draw(texts | chats),
        draw(texts), draw(st.none() | texts), draw(st.sampled_from([None, True, False])),
        draw(st.booleans()), draw(texts), draw(st.integers(0, 5)),
    )  # fmt: skip
    token = rng.integers(0, size, rows)
    own = -rng.exponential(3, rows).astype(np.float32)
    return padded_sample(response, token, own, ids[:rows], logprobs, tail)


@settings(max_examples=60)
@given(data=st.data())
def test_what_is_written_comes_back(data: st.DataObject) -> None:
    with memory_folder() as root:
        round_trip(data, root)


def round_trip(data: st.DataObject, root: Path) -> None:
    k = data.draw(st.integers(0, 6))
    size = data.draw(st.sampled_from([7, 65_536, 65_537]))
    about = description(
        k=k, vocabulary_size=size, codec=data.draw(st.sampled_from(["f16", "f32"])),
        layout=data.draw(st.sampled_from(["padded", "ragged"])),
    )  # fmt: skip
    plan = data.draw(st.lists(st.integers(0, 3), max_size=3))
    written = [
        [data.draw(samples(10 * i + j, k, size)) for j in range(count)]
        for i, count in enumerate(plan)
    ]
    with StoreWriter(root, about, shard_samples=4) as writer:
        for number, part in enumerate(written):
            writer.write(number, part, counts={"part": number})
        writer.finish(None, {"plan": plan})
    store = Store.open(root)
    everything = [one for part in written for one in part]
    assert store.description == about
    assert store.summary == {"plan": plan}
    assert store.keys == [one.response.key for one in everything]
    assert len(store) == len(everything)
    assert store.positions == sum(len(one) for one in everything)
    for one in everything:
        same_sample(store[one.response.key], one, about)
    assert [len(part) for part in store.shards()] == plan
    assert verify(root).problems == ()


def same_sample(found: Sample, given_: Sample, about: object) -> None:
    assert found.response == given_.response
    rows, expected = found.distributions, given_.distributions
    assert found.token_id.tolist() == given_.token_id.tolist()
    assert rows.indptr.tolist() == expected.indptr.tolist()
    assert rows.ids.tolist() == expected.ids.tolist()
    for array, whole in [
        (found.token_logprob, given_.token_logprob),
        (rows.logprobs, expected.logprobs),
        (rows.tail, expected.tail),
    ]:
        with np.errstate(over="ignore"):
            rounded = whole.astype(about.logprob_type).astype(np.float32)
        assert array.dtype == np.float32
        assert array.tolist() == rounded.tolist()


def test_ragged_rows_take_what_they_use(tmp_path: Path) -> None:
    """Two bytes for the count, and nothing for slots that are not in use."""
    one = sample(3)
    few = np.where(np.arange(K) < 2, topk_logprob(one), -np.inf)
    rest = np.log(1 - np.exp(few.astype(np.float64)).sum(axis=1)).astype(np.float32)
    one = changed(one, topk_logprob=few, tail_logprob=rest)
    for layout, expected in [("padded", 26), ("ragged", (1 + 2) * 4 + 2 + 2)]:
        with StoreWriter(tmp_path / layout, description(layout=layout), shard_samples=1) as writer:
            writer.write(0, [one])
            writer.finish(PIECES, {})
        checked = verify(tmp_path / layout)
        assert (checked.problems, checked.bytes_per_position) == ((), expected)
    stores = [Store.open(tmp_path / name) for name in ("padded", "ragged")]
    padded, ragged = (store[one.response.key] for store in stores)
    for name in ("indptr", "ids", "logprobs", "tail"):
        both = (getattr(one.distributions, name).tolist() for one in (padded, ragged))
        assert next(both) == next(both), name
    assert b"layout" not in (tmp_path / "padded" / "store.json").read_bytes()


def test_rows_are_the_sparse_rows_that_were_given(tmp_path: Path) -> None:
    rows = SparseDistributions(
        np.array([0, 1, 4]),
        np.array([7, 3, 9, 2], np.int32),
        np.log(np.array([1.0, 0.1, 0.6, 0.2], np.float32)),
        np.log(np.array([1e-30, 0.1], np.float32)),
    )
    response = Response("a", 0, "q", "t")
    ids = np.array([7, 3], np.int32)
    one = Sample(response, ids, own_logprobs(ids, rows), stored_rows(rows, 2))
    assert one.token_logprob.tolist() == [0.0, pytest.approx(np.log(0.1))]
    with StoreWriter(tmp_path, description(k=2), shard_samples=1) as writer:
        writer.write(0, [one])
        writer.finish(PIECES, {})
    found = Store.open(tmp_path)["a", 0].distributions
    assert found.indptr.tolist() == [0, 1, 3]
    assert found.ids.tolist() == [7, 9, 2]
    np.testing.assert_allclose(np.exp(found.logprobs), [1, 0.6, 0.2], atol=3e-4)
    np.testing.assert_allclose(np.exp(found.tail), [0, 0.2], atol=3e-4)  # 0.1 + the dropped 0.1


@pytest.mark.parametrize(("size", "k", "expected"), [(65_536, 5, 26), (65_537, 5, 38), (9, 1, 10)])
def test_bytes_a_position(tmp_path: Path, size: int, k: int, expected: int) -> None:
    about = description(vocabulary_size=size, k=k)
    assert about.bytes_per_position == expected
    one = sample(3)
    one = changed(
        one, token_id=one.token_id % size, topk_id=np.zeros((len(one), k), int) + size - 1,
        topk_logprob=np.where(np.arange(k) == 0, 0.0, -np.inf) + np.zeros((len(one), k)),
        tail_logprob=np.full(len(one), -np.inf),
    )  # fmt: skip
    with StoreWriter(tmp_path, about, shard_samples=1) as writer:
        writer.write(0, [one])
        writer.finish(None, {})
    assert verify(tmp_path).as_json() | {"disk_bytes": 0} == {
        "ok": True, "rows": 1, "positions": 4, "bytes_per_position": float(expected),
        "disk_bytes": 0, "problems": [],
    }  # fmt: skip


def test_extra_tails(tmp_path: Path) -> None:
    about = description(tail_temperatures=(2.0, 0.5))
    one = dataclasses.replace(sample(2), tempered_tails=np.log([[0.5, 0.1]] * 3))
    with StoreWriter(tmp_path, about, shard_samples=1) as writer:
        with pytest.raises(ValueError, match="wants 2 a position"):
            writer.write(0, [sample(2)])
        writer.write(0, [one])
        writer.finish(None, {})
    found = Store.open(tmp_path)[one.response.key]
    np.testing.assert_allclose(np.exp(found.tempered_tails), [[0.5, 0.1]] * 3, atol=3e-4)
    assert verify(tmp_path).bytes_per_position == 30.0


def test_log_probabilities_beyond_float16(tmp_path: Path) -> None:
    one = sample(1)
    one = dataclasses.replace(one, token_logprob=np.array([-70_000.0, 1e-4]))
    with StoreWriter(tmp_path, description(), shard_samples=1) as writer:
        writer.write(0, [one])
        writer.finish(None, {})
    assert Store.open(tmp_path)[one.response.key].token_logprob.tolist() == [-np.inf, 0.0]


def test_the_vocabulary_keeps_the_pieces_in_use(tmp_path: Path) -> None:
    flags = {0: SPECIAL, 1: UNKNOWN, 2: MARKER | BARE}
    pieces = build_vocabulary([b"", b"", b" ", *[b"%d" % i for i in range(3, V)]], flags=flags,
                              eos=0, folds=True)  # fmt: skip
    one = padded_sample(
        Response("a", 0, "", ""),
        np.array([5, 2]),
        np.zeros(2),
        np.array([[1], [9]]),
        np.array([[0.0], [-np.inf]]),
        np.array([-np.inf, 0.0]),
    )
    with StoreWriter(tmp_path, description(k=1), shard_samples=1) as writer:
        writer.write(0, [one])
        assert writer.ids_in_use().tolist() == [1, 2, 5]  # 9 is in an unused slot
        writer.finish(pieces, {})
    store = Store.open(tmp_path)
    assert store.vocabulary() == {1: b"", 2: b" ", 5: b"5"}
    found = store.align_vocabulary()
    assert (len(found), found.eos, found.folds) == (V, 0, True)
    assert found.flags[[0, 1, 2, 5, 9]].tolist() == [SPECIAL, UNKNOWN, MARKER | BARE, 0, SPECIAL]


def test_a_store_without_vocabulary_says_so(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, description(), shard_samples=1) as writer:
        writer.write(0, shard(0))
        with pytest.raises(ValueError, match=r"ids in use have no bytes, the first is"):
            writer.finish({1: b"a"}, {})
        writer.finish(None, {})
    with pytest.raises(StoreError, match="without a vocabulary; give the tokenizer"):
        Store.open(tmp_path).align_vocabulary()


def test_keys_and_counts(store: Path) -> None:
    opened = Store.open(store)
    assert opened.counts == {"dropped": 3, "seen": 12}
    assert ("toy/train/00001", 1) in opened
    assert ("toy/train/00001", 2) not in opened
    with pytest.raises(KeyError, match="no sample 2 of 'toy/train/00001'"):
        opened["toy/train/00001", 2]
    assert [one.response.key for one in opened] == opened.keys
    assert opened.vocabulary().items() <= PIECES.items()


def test_many_shards_are_read_at_random(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, description(), shard_samples=1) as writer:
        for number in range(70):  # more than are kept open
            writer.write(number, [sample(number)])
        writer.finish(None, {})
    store = Store.open(tmp_path)
    assert len(store) == 70
    for number in np.random.default_rng(0).permutation(70).tolist():
        one = sample(number)
        same_sample(store[one.response.key], one, store.description)


def test_samples_that_are_kept_hold_no_file_open(tmp_path: Path) -> None:
    """However many shards there are: a shell allows 256 files on some systems."""
    count = 80
    with StoreWriter(tmp_path, description(), shard_samples=1) as writer:
        for number in range(count):
            writer.write(number, [sample(number)])
        writer.finish(None, {})
    program = (
        "import resource, sys\n"
        "from specialize.store import Store\n"
        "store = Store.open(sys.argv[1])\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (75, hard))\n"  # the reader keeps 64 open
        "print(len([one for shard in store.shards() for one in shard]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == (str(count), 0), done.stderr


@pytest.mark.slow
def test_two_thousand_shards_are_opened_verified_and_read_with_256_files(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, description(), shard_samples=1) as writer:
        for number in range(2000):
            writer.write(number, [sample(number)])
        writer.finish(None, {})
    program = (
        "import resource, sys\n"
        "from specialize.store import Store, verify\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))\n"
        "store = Store.open(sys.argv[1])\n"
        "held = [store[key] for key in reversed(store.keys)]\n"
        "print(len(held), len(list(store)), verify(sys.argv[1]).problems)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "2000 2000 ()", done.stderr


def test_digest_tells_stores_apart(tmp_path: Path, store: Path) -> None:
    write_store(tmp_path / "same")
    write_store(tmp_path / "fewer", 2)
    write_store(tmp_path / "other", teacher="another")
    digests = [Store.open(tmp_path / name).digest for name in ("same", "fewer", "other")]
    assert digests[0] == Store.open(store).digest
    assert len({*digests}) == 3


# --- what is refused ---


def changed(one: Sample, **changes: object) -> Sample:
    """``one`` with other arrays, entries and tails as they are given to ``padded_sample``."""
    given_ = {
        "response": one.response, "token_id": one.token_id, "token_logprob": one.token_logprob,
        "topk_id": topk_id(one), "topk_logprob": topk_logprob(one),
        "tail_logprob": one.distributions.tail,
    }  # fmt: skip
    return padded_sample(**{**given_, **changes})


def broken(**changes: object) -> Sample:
    return changed(sample(3), **changes)  # 4 positions


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (broken(tail_logprob=np.array([0, np.nan, 0, 0])), "position 1 a log-probability is NaN"),
        (broken(token_logprob=np.array([-1, 0.5, 0, 0])), "position 1 a log-probability is above"),
        (broken(token_id=np.array([0, 1, 2, V])), "position 3 a token id is not below 300"),
        (broken(token_id=np.array([0, -1, 2, 3])), "token id -1 is outside a vocabulary of 300"),
        (broken(topk_id=np.full((4, K), 7)), "position 0 an id is repeated in a row"),
        (broken(tail_logprob=np.zeros(4)), "stored and tail mass are not 1 within 0.002"),
        (broken(tail_logprob=np.full(4, -np.inf)), "stored and tail mass are not 1"),
        (
            broken(topk_logprob=topk_logprob(sample(3))[:, ::-1]),
            "position 0 entries are not sorted",
        ),
        (
            broken(topk_id=np.zeros((4, 6), int), topk_logprob=np.zeros((4, 6))),
            "6 entries at a posi",
        ),
        (
            sample(3, text="half \ud83d of"),
            r"\('toy/train/00001', 1\) cannot be stored: U\+D83D after",
        ),
    ],
)
def test_a_sample_that_breaks_a_rule(tmp_path: Path, bad: Sample, message: str) -> None:
    with StoreWriter(tmp_path, description(), shard_samples=4) as writer:
        with pytest.raises(ValueError, match=message):
            writer.write(0, [sample(0), bad])
        assert writer.committed == frozenset()
        writer.write(0, [sample(0)])
        writer.finish(None, {})
    assert verify(tmp_path).ok


def test_a_sample_of_unequal_arrays() -> None:
    with pytest.raises(ValueError, match=r"token_id \(4,\) and token_logprob \(2,\)"):
        broken(token_logprob=np.zeros(2))
    with pytest.raises(ValueError, match="4 tokens, but 3 rows of entries"):
        broken(
            topk_id=np.zeros((3, K), int),
            topk_logprob=np.zeros((3, K)),
            tail_logprob=np.zeros(3),
        )
    with pytest.raises(ValueError, match=r"the tail \(4,\) one \(rows,\)"):
        broken(topk_id=np.zeros((3, K), int), topk_logprob=np.zeros((3, K)))
    with pytest.raises(ValueError, match="must be one"):
        broken(topk_id=np.zeros((4, 2), int))


def test_a_complement_tail_need_not_add_up(tmp_path: Path) -> None:
    about = description(settings={"tail": "complement"})
    with StoreWriter(tmp_path, about, shard_samples=2) as writer:
        with pytest.raises(ValueError, match="mass above 1"):
            writer.write(0, [broken(topk_logprob=np.full((4, K), -1.0))])
        writer.write(0, [broken(tail_logprob=np.full(4, -np.inf))])
        writer.finish(None, {})
    assert verify(tmp_path).ok


def test_rules_agree_with_a_slow_reading() -> None:
    """Random arrays, a third of them sound, against the rules written out in Python."""
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        ids, logs = rng.integers(0, 4, (1, 2)), np.log(rng.integers(0, 4, (1, 2)) / 3 + 1e-300)
        logs[logs < -600] = -np.inf
        tail = np.log(rng.integers(0, 3, 1) / 3 + 1e-300)
        arrays = {"topk_id": ids, "topk_logprob": logs, "tail_logprob": tail,
                  "token_id": rng.integers(0, 4, 1), "token_logprob": -rng.random(1)}  # fmt: skip
        found = {rule for _, rule in row_problems(arrays, description(vocabulary_size=3))}
        (a, b), (p, q) = ids[0].tolist(), np.exp(logs[0]).tolist()
        expected = {
            "a token id is not below 3": max(a, b, int(arrays["token_id"][0])) >= 3,
            "an unused slot has an id": (p == 0 and a != 0) or (q == 0 and b != 0),
            "entries are not sorted, most probable first": q > p,
            "an id is repeated in a row": p > 0 and q > 0 and a == b,
            "stored and tail mass are not 1 within 0.002": abs(p + q + np.exp(tail[0]) - 1) > 2e-3,
        }
        assert found == {rule for rule, broken_ in expected.items() if broken_}
        seen |= found | ({"sound"} if not found else set())
    assert len(seen) == 6


def test_a_key_only_once(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, description(), shard_samples=4) as writer:
        with pytest.raises(ValueError, match="sample 0 of 'toy/train/00000' is already in"):
            writer.write(0, [sample(0), sample(0)])
        writer.write(0, shard(0))
    with StoreWriter(tmp_path, description(), shard_samples=4) as writer:
        with pytest.raises(ValueError, match="sample 0 of 'toy/train/00000' is already in"):
            writer.write(1, [sample(0)])
        with pytest.raises(ValueError, match=r"shard 0 .* is already committed"):
            writer.write(0, [sample(5)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "answers"}, "responses or targets, not 'answers'"),
        ({"codec": "bf16"}, "codec must be f16 or f32"),
        ({"k": -1}, "cannot be stored"),
        ({"tail_temperatures": (1.0,)}, "other than 1"),
        ({"settings": {"a": object()}}, "not JSON"),
        ({"settings": {"a": float("nan")}}, "not JSON compliant"),
    ],
)
def test_a_description_that_can_not_be(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        description(**changes)


def test_another_configuration_is_refused_by_name(store: Path) -> None:
    before = tree(store)
    changed = description(k=6, settings={"stop": ["\n\n"], "n": 3, "top_p": 0.9})
    message = (
        r"k: 5 in the store, 6 now; settings.n: 2 in the store, 3 now; "
        r"settings.top_p: None in the store, 0.9 now; shard_samples: 3 in the store, 4 now\)"
    )
    with (
        pytest.raises(ConfigurationError, match=message),
        StoreWriter(store, changed, shard_samples=4),
    ):
        pass
    assert tree(store) == before
    with StoreWriter(store, changed, shard_samples=4, restart=True) as writer:
        assert writer.committed == frozenset()
        writer.finish(None, {})
    assert Store.open(store).description == changed
    assert len(Store.open(store)) == 0


def test_a_foreign_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for restart in (False, True):
        with (
            pytest.raises(ConfigurationError, match=r"holds thesis\.tex, which is no part"),
            StoreWriter(tmp_path, description(), shard_samples=4, restart=restart),
        ):
            pass
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    assert not (tmp_path / "store.json").exists()


def test_an_unfinished_store_is_read_only_on_request(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, description(), shard_samples=4) as writer:
        writer.write(0, shard(0))
        with pytest.raises(StoreError, match="not finished; run the command"):
            Store.open(tmp_path)
        partial = Store.open(tmp_path, allow_partial=True)
        writer.write(1, shard(1))
        assert len(partial) == 3  # what was committed when it was opened
        assert len(Store.open(tmp_path, allow_partial=True)) == 6
    assert not verify(tmp_path).ok
    assert "not finished: 2 shards" in verify(tmp_path).problems[0]
    with pytest.raises(StoreError, match="no such directory"):
        Store.open(tmp_path / "missing")
    with pytest.raises(StoreError, match="in a with block"):
        StoreWriter(tmp_path, description(), shard_samples=4).write(2, shard(2))


def test_a_finished_store_is_closed(store: Path) -> None:
    before = tree(store)
    with StoreWriter(store, description(), shard_samples=3) as writer:
        assert writer.finished
        assert writer.committed == frozenset(range(SHARDS))
        with pytest.raises(StoreError, match="is finished; nothing can be added"):
            writer.write(9, [sample(99)])
        writer.finish(PIECES, {"accuracy": 0.5})
    assert tree(store) == before


def test_one_writer(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, description(), shard_samples=3) as writer:
        writer.write(0, shard(0))
        with (
            pytest.raises(LockedError, match=rf"written by process {os.getpid()} on "),
            StoreWriter(tmp_path, description(), shard_samples=3, restart=True),
        ):
            pass
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.store_samples", str(tmp_path)],
            capture_output=True, text=True, cwd=ROOT, check=False,
        )  # fmt: skip
        assert f"LockedError: {tmp_path} is being written by process {os.getpid()}" in done.stderr
        writer.write(1, shard(1))
    write_store(tmp_path)
    assert len(Store.open(tmp_path)) == 9


def test_the_writers_order_does_not_show(tmp_path: Path, store: Path) -> None:
    with StoreWriter(tmp_path / "back", description(), shard_samples=3) as writer:
        for number in reversed(range(SHARDS)):
            writer.write(number, shard(number), counts={"dropped": number, "seen": 4})
        writer.finish(PIECES, {"accuracy": 0.5})
    assert tree(tmp_path / "back") == tree(store)


def test_the_umask_decides_who_reads(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_store(tmp_path / "store")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "store" / "shards").iterdir()}
    assert modes == {0o640}


# --- sealed lines ---


@given(st.dictionaries(texts, st.none() | st.booleans() | st.integers() | texts, max_size=4))
def test_sealing(body: dict[str, object]) -> None:
    line = seal(body)
    assert unseal(line) == body
    assert line.count(b"\n") == 1
    for at in range(len(line)):
        flipped = bytearray(line)
        flipped[at] ^= 1 << (at % 8)
        with pytest.raises(ValueError, match=r"sealed line|CRC"):
            unseal(bytes(flipped))


def test_sealed_lines_have_one_spelling() -> None:
    assert canonical({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    loose = json.dumps(json.loads(seal({"a": 1}))).encode() + b"\n"
    with pytest.raises(ValueError, match="CRC does not fit"):
        unseal(loose)
