"""Published samples of code-davinci-002 become a store: both layouts, every drop counted."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from specialize import datasets
from specialize.errors import ConfigurationError, InputError, NothingPassedError
from specialize.imports import codex
from specialize.imports.codex import import_codex
from specialize.imports.codex_steps import piece_of, read_samples
from specialize.records import Example
from specialize.store import Store, verify
from tests.support import teacher_toys
from tests.support.store_samples import topk_id, topk_logprob

Pairs = list[list[object]]
EXAMPLES = [
    Example("gsm8k/train/00000", "Ann has 3 apples and 4 pears. How many?", "7"),
    Example("gsm8k/train/00001", "Zoë's box holds 9 eggs.\nHow many in two?", "18"),
]


def step(token: str, probability: float, *others: tuple[str, float]) -> Pairs:
    """The sampled token, then the service's list, which holds it again in no order."""
    return [
        [token, probability],
        *map(list, others[:1]),
        [token, probability],
        *map(list, others[1:]),
    ]


def said(*tokens: str) -> list[Pairs]:
    """A sample in its frame; every token sure but for one alternative and one that was rounded."""
    inside = [step(token, 0.9, ("!", 0.06), ("?", 0.0)) for token in tokens]
    end = step("\n", 0.5, ("<|endoftext|>", 0.4))
    return [step(" step", 1.0), step("\n", 0.98), *inside, end, end]


RIGHT = said("So", " 7", ".", "\n", "The", " answer", " is", " 7")
WRONG = said("The", " answer", " is", " 8")


def write_json(path: Path, samples: object) -> Path:
    path.write_text(json.dumps(samples))
    return path


def write_text(path: Path, answered: dict[int, list[list[Pairs]]]) -> Path:
    """The layout of the published decoding script."""
    lines = []
    for question, samples in answered.items():
        example = EXAMPLES[question]
        lines.append(
            f"Question {question}: {example.question}\nAnswer: so\n#### {example.answer}\n"
        )
        for i, steps in enumerate(samples):
            text = "".join(str(pairs[0][0]) for pairs in steps[2:])
            lines.append(f"Model output {i}: {text}\nPer-step decode: ")
            for pairs in steps:
                lines += [f"<<{token!r}>> {p:.4f} " for token, p in pairs]
                lines.append("||| ")
            lines.append("\n")
        lines.append("\n\n\n\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_one_step(tmp_path: Path) -> None:
    first = step(
        " Nat", 0.6018, (" in", 0.0261), (" we", 0.0125), (" 48", 0.0335), (" she", 0.2588)
    )
    sample = [*RIGHT[:2], first, *RIGHT[2:]]
    import_codex(write_json(tmp_path / "s.json", [sample]), tmp_path / "o", examples=EXAMPLES)
    store = Store.open(tmp_path / "o")
    row = store[EXAMPLES[0].id, 0]
    pieces = store.vocabulary()
    assert [pieces[i] for i in topk_id(row)[0]] == [b" Nat", b" she", b" 48", b" in", b" we"]
    assert pieces[int(row.token_id[0])] == b" Nat"
    np.testing.assert_allclose(np.exp(topk_logprob(row)[0][:2]), [0.6018, 0.2588], rtol=2e-3)
    assert float(row.distributions.tail[0]) == pytest.approx(math.log(1 - 0.9327), abs=5e-3)
    assert store.description.tail_is_complement
    # "?" was rounded to nothing and joins the tail; "!" stays
    assert [pieces[i] for i in topk_id(row)[1][np.isfinite(topk_logprob(row)[1])]] == [b"So", b"!"]
    assert np.exp(float(row.distributions.tail[1])) == pytest.approx(0.04, rel=5e-3)
    assert verify(tmp_path / "o").ok


def test_drops_are_counted_with_their_reason(tmp_path: Path) -> None:
    samples = [
        RIGHT,
        RIGHT[1:],
        RIGHT[:-1],
        [*RIGHT[:2], *RIGHT[-2:]],
        WRONG,
        [step("Step", 1.0), *RIGHT[1:]],
    ]
    found = import_codex(
        write_json(tmp_path / "s.json", samples), tmp_path / "o", examples=EXAMPLES
    )
    assert found["skipped"] == {
        "does not begin after ' step' and a newline": 2,
        "does not end with two newlines": 1,
        "nothing inside the frame": 1,
    }
    assert (found["samples"], found["correct"]) == (2, 1)
    store = Store.open(tmp_path / "o")
    assert store.keys == [(EXAMPLES[0].id, 0), (EXAMPLES[0].id, 4)]
    assert store.summary == found
    kept = store[EXAMPLES[0].id, 4].response
    assert (kept.text, kept.answer, kept.correct) == ("The answer is 8", "8", False)


def test_both_layouts_are_one_dump(tmp_path: Path) -> None:
    plain = write_json(tmp_path / "s.json", [RIGHT, WRONG])
    text = write_text(tmp_path / "s.txt", {0: [RIGHT, WRONG]})
    a, b = list(read_samples(plain)), list(read_samples(text))
    assert [s.steps for s in a] == [s.steps for s in b]
    assert [s.sample for s in b] == [0, 1]


def test_the_text_of_many_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codex, "SHARD_SAMPLES", 2)
    odd = said("It's", " '\"", "|||", ">>", "é", "\\n", "\n", "The", " answer", " is", " 18")
    source = write_text(tmp_path / "s.txt", {0: [RIGHT, WRONG, RIGHT], 1: [odd, RIGHT]})
    found = import_codex(source, tmp_path / "o", examples=EXAMPLES)
    assert (found["questions"], found["samples"], found["correct"]) == (2, 5, 3)
    assert found["duplicates"] == 1
    store = Store.open(tmp_path / "o")
    assert store[EXAMPLES[1].id, 0].response.text == "It's '\"|||>>é\\n\nThe answer is 18"
    before = (tmp_path / "o/manifest.jsonl").read_bytes()
    assert before.count(b"\n") == 3
    (tmp_path / "o/summary.json").unlink()
    (tmp_path / "o/manifest.jsonl").write_bytes(b"".join(before.splitlines(keepends=True)[:1]))
    assert import_codex(source, tmp_path / "o", examples=EXAMPLES) == found
    assert (tmp_path / "o/manifest.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("bytes: \\xc3", b" \xc3"),
        ("bytes: \\\\xc3", b" \xc3"),
        ("bytes:\\xe2\\x80", b"\xe2\x80"),
        ("bytes:\\xE2", b"\xe2"),
        ("bytes: of", b"bytes: of"),
        ("<|endoftext|>", b""),
        (" é", " é".encode()),
    ],
)
def test_pieces(text: str, piece: bytes) -> None:
    assert piece_of(text) == piece


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[", "is not JSON"),
        ("[3]", "sample 0 is no list of steps"),
        ('[[[["a", 0.5], ["b"]]]]', r"sample 0, step 0: \['b'\] is no \[token, probability\]"),
        ('[[[["a", 1.5]]]]', r"\['a', 1.5\] is no"),
        ("[[[]]]", "sample 0, step 0 has no token"),
        ("{}", "holds no samples: no line begins with 'Question 0: '"),
        ("Per-step decode: \n", "line 1: steps before any question"),
        (
            "Question 0: x\nModel output 0: y\nPer-step decode: <<'a'>> 0.5 ",
            "line 3, column 0: .* is no <<token>> number",
        ),
        (
            "Question 0: x\nModel output 0: y\nPer-step decode: <<'a'>> 0.5000 ",
            "line 3 ends in the middle of step 0",
        ),
    ],
)
def test_what_is_no_dump_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "s").write_text(content)
    with pytest.raises(InputError, match=message):
        list(read_samples(tmp_path / "s"))


def test_refusals(tmp_path: Path) -> None:
    source = write_json(tmp_path / "s.json", [RIGHT])
    text = write_text(tmp_path / "s.txt", {0: [RIGHT]})
    broken = write_json(tmp_path / "b.json", [RIGHT[1:]])
    other = write_json(tmp_path / "w.json", [WRONG])
    with pytest.raises(InputError, match="No such file"):
        import_codex(tmp_path / "none", tmp_path / "o", examples=EXAMPLES)
    with pytest.raises(InputError, match="answers question 0, but there are 0 examples"):
        import_codex(source, tmp_path / "o", examples=[])
    with pytest.raises(InputError, match=r"question 0 is 'Ann has .*', but example .* is \"Zo"):
        import_codex(text, tmp_path / "o", examples=EXAMPLES[1:])
    with pytest.raises(NothingPassedError, match="no sample has the frame"):
        import_codex(broken, tmp_path / "o", examples=EXAMPLES)
    with pytest.raises(
        InputError, match=r"tokenizer gpt2 lacks 1 of 8 pieces .* is 'So'; give the"
    ):
        import_codex(source, tmp_path / "o", examples=EXAMPLES, vocabulary=teacher_toys.gpt2())
    import_codex(source, tmp_path / "o", examples=EXAMPLES)
    with pytest.raises(ConfigurationError, match=r"settings\.source"):
        import_codex(other, tmp_path / "o", examples=EXAMPLES)


@pytest.mark.realdata
def test_the_published_samples(tmp_path: Path, data_dir: Path) -> None:
    source = data_dir / "codex/codex_q0_samples_top5.json"
    examples = datasets.load("gsm8k", str(data_dir / "gsm8k/train.jsonl"), split="train")
    found = import_codex(source, tmp_path / "o", examples=examples)
    assert (found["samples"], found["positions"], found["correct"]) == (50, 2378, 50)
    assert found["skipped"] == {}
    assert found["sampled_below_top"] == 190
    assert found["mean_stored_mass"] == pytest.approx(0.967, abs=1e-3)
    assert found["least_stored_mass"] == pytest.approx(0.541)
    ranks = data_dir / "tokenizers/tiktoken/p50k_base.tiktoken"
    import_codex(source, tmp_path / "p", examples=examples, vocabulary=ranks)
    plain, ranked = Store.open(tmp_path / "o"), Store.open(tmp_path / "p")
    assert ranked.description.vocabulary_size > 50_000
    pieces, known = plain.vocabulary(), ranked.vocabulary()
    for key in plain.keys:
        a, b = plain[key], ranked[key]
        assert a.response == b.response
        assert [pieces[i] for i in a.token_id.tolist()] == [known[i] for i in b.token_id.tolist()]
        np.testing.assert_array_equal(topk_logprob(a), topk_logprob(b))
        np.testing.assert_array_equal(a.distributions.tail, b.distributions.tail)


def test_a_replacement_character_is_no_token(tmp_path: Path) -> None:
    """As an entry its mass joins the tail; a sampled one leaves the sample's tokens unknown."""
    entry = [*RIGHT[:2], step("So", 0.5, ("\ufffd", 0.3), ("!", 0.1)), *RIGHT[3:]]
    sampled = [*RIGHT[:3], step("\ufffd", 0.9, ("!", 0.06)), *RIGHT[4:]]
    source = write_json(tmp_path / "s.json", [entry, sampled])
    found = import_codex(source, tmp_path / "o", examples=EXAMPLES)
    assert found["skipped"] == {"a replacement character in place of a token's bytes": 1}
    store = Store.open(tmp_path / "o")
    row = store[EXAMPLES[0].id, 0]
    assert "\ufffd".encode() not in store.vocabulary().values()
    assert np.exp(float(row.distributions.tail[0])) == pytest.approx(0.4, rel=5e-3)


def test_what_the_service_says_twice_must_agree(tmp_path: Path) -> None:
    differ, missing = json.loads(json.dumps([RIGHT, RIGHT]))
    differ[4][0][1] = 0.5
    missing[4][0] = [" eggs", 0.9]
    source = write_json(tmp_path / "s.json", [RIGHT, differ, missing])
    found = import_codex(source, tmp_path / "o", examples=EXAMPLES)
    assert found["skipped"] == {
        "a token and its entry differ": 1,
        "a token is likelier than listed entries, but not listed": 1,
    }


def test_steps_that_do_not_spell_the_output(tmp_path: Path) -> None:
    source = write_text(tmp_path / "s.txt", {0: [RIGHT, WRONG]})
    whole = source.read_text()
    source.write_text(whole.replace("Model output 1: The answer is 8", "Model output 1: It is 8"))
    found = import_codex(source, tmp_path / "o", examples=EXAMPLES)
    assert found["skipped"] == {"the output is not what the steps spell": 1}


def lists_beside(sample: list[Pairs], order: list[int]) -> list[Pairs]:
    """The sampled tokens with the lists of other steps, so that nothing contradicts itself."""
    inside = sample[2:-2]
    made = []
    for own, at in zip(inside, order, strict=True):
        others = inside[at][1:]
        known = dict(map(tuple, others))
        token = own[0][0]
        least = min([p for _, p in others], default=0.0)
        made.append([[token, known.get(token, min(least, own[0][1]))], *others])
    return [*sample[:2], *made, *sample[-2:]]


@pytest.mark.realdata
@pytest.mark.parametrize("kind", ["early", "late", "shuffled"])
def test_published_samples_with_lists_of_other_steps(
    data_dir: Path, tmp_path: Path, kind: str
) -> None:
    published = json.loads((data_dir / "codex" / "codex_q0_samples_top5.json").read_text())
    rng = np.random.default_rng(5)
    broken = []
    for sample in published:
        places = np.arange(len(sample) - 4)
        order = {
            "early": np.roll(places, -1), "late": np.roll(places, 1),
            "shuffled": rng.permutation(places),
        }[kind]  # fmt: skip
        broken.append(lists_beside(sample, order.tolist()))
    source = write_json(tmp_path / "s.json", broken)
    question = Example("gsm8k/train/00000", "Natalia sold clips?", "72")
    says = {"early": "too early", "late": "too late", "shuffled": "not among the entries"}[kind]
    with pytest.raises(InputError, match=says):
        import_codex(source, tmp_path / "o", examples=[question])
    source = write_json(tmp_path / "m.json", [*published, *broken[:10]])
    found = import_codex(source, tmp_path / "m", examples=[question])
    assert (found["samples"], sum(found["skipped"].values())) == (50, 10)
