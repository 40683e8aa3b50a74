"""Hostile and random texts: graded in bounded time and memory, nothing in them is executed.

SPECIALIZE_FUZZED sets how many random texts there are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.specialize.answers.test_answers import HOSTILE

ROOT = Path(__file__).parents[3]
COUNT = int(os.environ.get("SPECIALIZE_FUZZED", "150"))
LONGEST = 1_000_000  # characters
# of which texts are made: what readers look for, and what could hurt them
PIECES = (
    "The answer is ", "the answer is", "So the answer is ", "#### ", "\\boxed{", "}", "{",
    "Answer: ", "(A)", "(B) ", "A", "yes", "no", "True", "False", "not ", "5", "12", "3.5", "-7",
    "1,000", "1,2,3", "$", "€", "%", " cents", " apples", "1/2", "2 1/2", "½", "1/0", "0/0", "5:45",
    "5:45 p.m.", "6:1", "10^6", "9**9**9", "^", "**", "*", "x", "×", "+", "-", "−", "/", "÷", "=",
    " = ", "(", ")", "[", "]", "<", ">", "<<", ">>", "1e9", "1e999", "e", ".", ",", ";", ":", "\n",
    "\n\n", " ", "  ", "\t", "\0", "\u202e", "\u0661\u0662", "\ud7ff", "٣", "Ⅷ", "\uff11\uff12",
    "²", "million", " thousand ", "twenty-one", "half", "May 1, 2021", "05/01/2021", "February 30",
    "because", " so ", " and ", " or ", "not 5 but 6", "__import__('os').system('touch graded')",
    "eval(", "exec(", "lambda: 0", "{{7*7}}", "${jndi:x}", "'; DROP TABLE", "<script>",
    "\\frac{1}{2}", "\\frac{", "\\text{", "\\times", "\\", "`", '"', "'",
)  # fmt: skip


def fuzzed(count: int, seed: int) -> list[str]:
    """Sequences of pieces; some repeat one piece, or themselves, very often."""
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        chosen = [PIECES[i] for i in rng.integers(len(PIECES), size=rng.integers(1, 40))]
        if rng.random() < 0.2:
            at = int(rng.integers(len(chosen)))
            chosen[at] *= int(10 ** rng.uniform(1, 4))
        text = "".join(chosen)
        if rng.random() < 0.1:
            text *= int(10 ** rng.uniform(0, 3))
        texts.append(text[:LONGEST])
    return texts


def graded(texts: list[str], folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.grading_worker"],
        input=json.dumps(texts), capture_output=True, text=True, check=False, timeout=3000,
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(folder.iterdir()) == [], "a text was executed"
    found = json.loads(done.stdout)
    assert found["graded"] == len(texts)
    return found


def test_random_texts_are_graded_within_bounds(tmp_path: Path) -> None:
    texts = fuzzed(COUNT, seed=6)
    found = graded(texts, tmp_path)
    assert found["slowest"] <= 0.2, texts[int(found["at"])][:300]
    assert found["bytes"] <= 1 << 30


def test_hostile_texts_are_graded_within_bounds(tmp_path: Path) -> None:
    assert len(HOSTILE) >= 15
    texts = [text.replace("\ud800", "") for text in HOSTILE.values()]
    found = graded(texts, tmp_path)
    assert found["slowest"] <= 0.2, list(HOSTILE)[int(found["at"])]
    assert found["bytes"] <= 1 << 30


def test_the_guard_guards(tmp_path: Path) -> None:
    """A worker that opens a file under the hook is ended, so silence means something."""
    code = (
        "import sys; from tests.support.grading_worker import refuse\n"
        "sys.addaudithook(refuse)\neval('1+1')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 99
    assert "grading tried" in done.stderr
