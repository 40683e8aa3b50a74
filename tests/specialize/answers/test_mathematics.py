"""Expressions judged by a worker that may hang, die or lie, and by math-verify where it is."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from specialize.answers import is_correct, mathematics
from specialize.answers.mathematics import MAX_LENGTH, Verifier
from specialize.errors import ConfigurationError

FAKE = """
import json, os, sys, time
print("ready", flush=True)
for line in sys.stdin:
    given, gold = json.loads(line)
    if given == "hang": time.sleep(60)
    if given == "die": os._exit(1)
    if given == "strange": print("[1]", flush=True)
    else: print(json.dumps(given == gold), flush=True)
"""


@pytest.fixture
def fake(tmp_path: Path) -> Verifier:
    (tmp_path / "worker.py").write_text(FAKE)
    with Verifier(seconds=5, command=[sys.executable, str(tmp_path / "worker.py")]) as verifier:
        yield verifier


def test_one_worker_gives_many_verdicts(fake: Verifier) -> None:
    assert fake.agrees("x", "x") is True
    first = fake._process
    assert fake.agrees("x", "y") is False
    assert fake.agrees("two\nlines", "two\nlines") is True
    assert fake._process is first


def test_a_worker_that_hangs_is_killed_and_replaced(fake: Verifier) -> None:
    assert fake.agrees("x", "x") is True
    hung = fake._process
    fake.seconds = 0.2
    start = time.monotonic()
    assert fake.agrees("hang", "x") is None
    assert time.monotonic() - start < 30
    assert hung is not None
    assert hung.poll() is not None, "it is dead"
    fake.seconds = 5
    assert fake.agrees("x", "x") is True
    assert fake._process is not hung


def test_a_worker_that_dies_or_lies_gives_no_verdict(fake: Verifier) -> None:
    assert fake.agrees("die", "x") is None
    assert fake.agrees("strange", "x") is None
    assert fake.agrees("x" * (MAX_LENGTH + 1), "x") is None
    assert fake.agrees("x", "x") is True


def test_a_worker_that_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match="does not start"):
        Verifier(command=[sys.executable, "-c", ""]).agrees("x", "x")
    with pytest.raises(ValueError, match="needs time"):
        Verifier(seconds=0)


def test_kind_math_asks_only_where_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "specialize.answers.grading.same_mathematics",
        lambda given, gold: asked.append((given, gold)) or True,
    )
    assert is_correct("So \\boxed{x+1}", "x+1", kind="math")
    assert is_correct("The answer is 0.5", "1/2", kind="math")
    assert not is_correct("The answer is 2", "3", kind="math")
    assert asked == []
    assert is_correct("So \\boxed{2\\sqrt{2}}", "\\sqrt{8}", kind="math")
    assert asked == [("2\\sqrt{2}", "\\sqrt{8}")]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    mathematics._shared.cache_clear()
    monkeypatch.setattr(mathematics, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install specialize\[math\]"):
        is_correct("The answer is x", "y", kind="math")


@pytest.mark.parametrize(
    ("given", "gold", "right"),
    [
        ("\\frac{x^2-1}{x-1}", "x+1", True),
        ("2x+3", "3+2x", True),
        ("2\\sqrt{2}", "\\sqrt{8}", True),
        ("2\\sqrt{3}", "\\sqrt{8}", False),
        ("x", "y", False),
        ("9^{9^{9^9}}", "1", False),
        ("__import__('os').system('touch graded')", "1", False),
        ("(" * 500 + "1" + ")" * 500, "2", False),
    ],
)
def test_math_verify_judges(
    given: str, gold: str, right: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("math_verify")
    monkeypatch.chdir(tmp_path)
    mathematics._shared.cache_clear()
    assert is_correct(f"So \\boxed{{{given}}}", gold, kind="math") is right
    assert list(tmp_path.iterdir()) == []
    mathematics._shared().close()
