"""Results and samples as lm-evaluation-harness 0.4.13 writes them, of answers that are made up."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

Answers = Mapping[str, Sequence[bool]]  # task -> right or wrong, by document
KEY = ("exact_match", "strict-match")
DATE = "2026-01-05T10-00-00.394618"


def write_logs(
    out: Path,
    model: str,
    answers: Answers,
    *,
    key: tuple[str, str] = KEY,
    samples: bool = True,
    prompt: str = "p",
    groups: Mapping[str, Sequence[str]] | None = None,
    change: Mapping[str, object] | None = None,
    of_tasks: Mapping[str, object] | None = None,
    date: str = DATE,
) -> Path:
    """What ``lm-eval run --output_path OUT`` leaves of one model; returns the results file.

    Args:
        key: the metric and filter that count; a second filter finds every answer.
        groups: tasks by group; a group's score is the mean over all documents.
        change: values of the file in place of the usual ones.
        of_tasks: the same within ``results`` of each task.
    """
    folder = out / re.sub(r"[\"<>:/|\\?*\[\]]+", "__", model)
    folder.mkdir(parents=True, exist_ok=True)
    metric, filter_ = key
    shares = {task: sum(right) / len(right) for task, right in answers.items()}
    groups = groups or {}
    for group, parts in groups.items():
        every = [right for part in parts for right in answers[part]]
        shares[group] = sum(every) / len(every)
    values: dict[str, object] = {
        "results": {
            task: {
                "name": task, "alias": task, "sample_len": 9, f"{metric},{filter_}": share,
                f"{metric}_stderr,{filter_}": 0.1, f"{metric},flexible": 1.0,
                f"{metric}_stderr,flexible": "N/A",
            } | dict(of_tasks or {})
            for task, share in shares.items()
        },
        "group_subtasks": {group: list(parts) for group, parts in groups.items()},
        "configs": {task: {"task": task, "test_split": "test"} for task in answers},
        "versions": dict.fromkeys(answers, 3.0),
        "n-shot": dict.fromkeys(answers, 5),
        "higher_is_better": {task: {metric: True} for task in shares},
        "n-samples": {
            task: {"original": len(right), "effective": len(right)}
            for task, right in answers.items()
        },
        "config": {"model": "hf", "model_args": {"pretrained": model}, "limit": None,
                   "model_num_parameters": 1216000},
        "lm_eval_version": "0.4.13", "model_name": model, "chat_template_sha": None,
        "task_hashes": {
            task: hashlib.sha256(f"{task} {prompt} {len(right)}".encode()).hexdigest()
            for task, right in answers.items()
        } if samples else {},
    }  # fmt: skip
    path = folder / f"results_{date}.json"
    path.write_text(json.dumps(values | dict(change or {}), indent=2))
    for task, right in answers.items() if samples else ():
        _write_samples(folder / f"samples_{task}_{date}.jsonl", task, right, key, prompt)
    return path


def _write_samples(
    path: Path, task: str, right: Sequence[bool], key: tuple[str, str], prompt: str
) -> None:
    metric, filter_ = key
    lines = [
        {
            "doc_id": number, "doc": {"question": f"{number} + 1?"}, "target": str(number + 1),
            "arguments": {"gen_args_0": {"arg_0": f"{number} + 1?"}}, "resps": [["1"]],
            "filtered_resps": ["1"], "filter": name, "metrics": [metric],
            "doc_hash": f"d{task}{number}", "prompt_hash": f"{prompt}{number}",
            "target_hash": f"t{number}", metric: float(correct or name == "flexible"),
        }
        for name in (filter_, "flexible") for number, correct in enumerate(right)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
