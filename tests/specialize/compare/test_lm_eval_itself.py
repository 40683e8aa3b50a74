"""Logs that lm-evaluation-harness itself wrote of the bundled models (extra ``lm-eval``)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from specialize.compare.answers import Choice
from specialize.compare.stage import compare
from specialize.formats import by_name
from specialize.quickstart import world
from specialize.records import Example

MODELS = Path(world.__file__).parent / "models"
TASK = """\
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {questions}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: [], max_gen_toks: 64, do_sample: false}}
filter_list:
  - name: announced
    filter: [{{function: regex, regex_pattern: "answer is (-?[0-9]+)"}}, {{function: take_first}}]
  - name: last-number
    filter:
      - {{function: regex, group_select: -1, regex_pattern: "(-?[0-9]+)"}}
      - {{function: take_first}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""


def write_task(folder: Path, name: str, examples: Sequence[Example]) -> None:
    """A task of lm-eval that asks as our format zero-shot-cot does."""
    questions, form = folder / f"{name}.jsonl", by_name("zero-shot-cot")
    records = [{"question": str(form.prompt(one)), "answer": one.answer} for one in examples]
    questions.write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / f"{name}.yaml").write_text(TASK.format(name=name, questions=questions))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lm_eval") is None, reason="needs the extra lm-eval")
def test_what_lm_eval_scored_is_what_is_compared(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    write_task(tasks, "shop_problems", world.examples(world.FAMILIES[0], "test", 40))
    scored = {}
    for name in ("student", "teacher"):
        results = run_lm_eval(MODELS / name, ["shop_problems"], tasks, tmp_path / name)
        scored[name] = json.loads(results.read_text())["results"]["shop_problems"]
    for filter_ in ("announced", "last-number"):
        found = compare([tmp_path / name for name in scored], choice=Choice(filter=filter_))
        [against] = found.compared
        assert (against.task, against.difference.answers) == ("shop_problems", 40)
        key = f"exact_match,{filter_}"
        assert against.difference.first == pytest.approx(scored["student"][key])
        assert against.difference.second == pytest.approx(scored["teacher"][key])


def run_lm_eval(model: Path, names: Sequence[str], tasks: Path, out: Path) -> Path:
    """The harness's own results of a model."""
    before = {*out.rglob("results_*.json")}
    subprocess.run(
        [sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--tasks", ",".join(names),
         "--model_args", f"pretrained={model},dtype=float32", "--include_path", str(tasks),
         "--output_path", str(out), "--log_samples", "--device", "cpu", "--batch_size", "20"],
        check=True, capture_output=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"},
    )  # fmt: skip
    [results] = {*out.rglob("results_*.json")} - before
    return results
