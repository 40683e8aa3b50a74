"""Evaluations of three kinds read and compared; what cannot be compared is refused in one line."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from specialize.artifacts.predictions import (
    Prediction,
    PredictionFile,
    Settings,
    write_questions,
)
from specialize.cli.stages import cli
from specialize.compare.answers import Choice
from specialize.compare.inspect_logs import zipfile as zstd_zipfile
from specialize.compare.stage import ALL, compare
from specialize.errors import ConfigurationError, InputError
from specialize.records import Example

RIGHT = (True, True, False, True, False, False, True, True, False, True, True, False)
BETTER = (True, True, True, True, False, True, True, True, True, True, True, False)


def write_lm_eval(
    folder: Path, right: Sequence[bool], *, task: str = "sums", prompt: str = "p",
    filters: Sequence[str] = ("strict-match", "flexible-extract"),
    change: Mapping[str, object] | None = None,
) -> Path:  # fmt: skip
    """A log as lm-evaluation-harness 0.4 writes it; the later filters find every answer."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for at, filter_ in enumerate(filters):
        for number, correct in enumerate(right):
            line: dict[str, object] = {
                "doc_id": number,
                "doc": {"question": f"{number} + 1?", "kind": "even" if number % 2 else "odd"},
                "target": str(number + 1),
                "arguments": {"gen_args_0": {"arg_0": f"{number} + 1?", "arg_1": {}}},
                "resps": [["1"]], "filtered_resps": ["1"], "filter": filter_,
                "metrics": ["exact_match", "chars"],
                "doc_hash": f"d{task}{number}", "prompt_hash": f"{prompt}{number}",
                "target_hash": f"t{number}",
                "exact_match": float(correct or at > 0), "chars": 3 * number,
            }  # fmt: skip
            lines.append(json.dumps(line | (change or {})))
    path = folder / f"samples_{task}_2026-01-05T10-00-00.394618.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def inspect_log(scores: Sequence[Sequence[str]]) -> dict[str, object]:
    """A log of inspect 0.3: ``scores`` are those of each question's epochs."""
    return {
        "version": 2, "status": "success", "eval": {"task": "sums", "model": "mockllm/model"},
        "samples": [
            {"id": number, "epoch": epoch, "input": f"{number} + 1?", "target": str(number + 1),
             "metadata": {"kind": "even" if number % 2 else "odd"},
             "scores": {"match": {"value": value, "answer": "1"}, "includes": {"value": 1}}}
            for number, epochs in enumerate(scores) for epoch, value in enumerate(epochs, 1)
        ],
    }  # fmt: skip


def write_inspect(path: Path, scores: Sequence[Sequence[str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    log = inspect_log(scores)
    if path.suffix == ".json":
        path.write_text(json.dumps(log))
        return path
    samples = log.pop("samples")
    assert isinstance(samples, list)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", json.dumps(log))
        for each in samples:
            archive.writestr(f"samples/{each['id']}_epoch_{each['epoch']}.json", json.dumps(each))
    return path


def write_run(run: Path, models: Mapping[str, Sequence[bool]], *, prompt: str = "p") -> Path:
    """Predictions of models on a set with two tasks, as evaluation writes them."""
    examples = [Example(f"sums/{n}", f"{n} + 1?", str(n + 1)) for n in range(len(RIGHT))]
    write_questions(run, "sums", "test", examples)
    for model, right in models.items():
        file = PredictionFile.of(run, model, "sums", "test", "zero-shot-cot")
        file.path.parent.mkdir(parents=True, exist_ok=True)
        file.write_settings(
            Settings(model, 0, "m", "sums", "test", "in-distribution", "zero-shot-cot", "number",
                     len(right), False, 10)
        )  # fmt: skip
        file.append(
            Prediction(each.id, prompt, "", each.answer, each.answer, correct, True, 1,
                       task=f"task{number % 2}")
            for number, (each, correct) in enumerate(zip(examples, right, strict=True))
        )  # fmt: skip
    return run


def test_three_kinds_of_logs_say_the_same(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"a": RIGHT, "b": BETTER})
    pairs = {
        "lm-eval": [write_lm_eval(tmp_path / name, right) for name, right in
                    (("a", RIGHT), ("b", BETTER))],
        "inspect": [write_inspect(tmp_path / f"{name}.json", [["C" if r else "I"] for r in right])
                    for name, right in (("a", RIGHT), ("b", BETTER))],
        "archive": [write_inspect(tmp_path / f"{name}.eval", [["C" if r else "N"] for r in right])
                    for name, right in (("c", RIGHT), ("d", BETTER))],
        "ours": [run / "predictions" / name for name in ("a", "b")],
    }  # fmt: skip
    found = {kind: compare(paths).compared[0].difference for kind, paths in pairs.items()}
    assert found["ours"].answers == len(RIGHT)
    assert found["ours"].difference == pytest.approx(3 / 12)
    assert found["ours"].p_value == pytest.approx(0.25)
    assert set(found.values()) == {found["ours"]}


def test_the_first_metric_and_filter_count_unless_others_are_named(tmp_path: Path) -> None:
    paths = [write_lm_eval(tmp_path / name, right) for name, right in (("a", RIGHT), ("b", BETTER))]
    plain = compare(paths)
    assert plain.warnings == (
        "sums: metric exact_match is compared (--metric: chars)",
        "sums: filter strict-match is compared (--filter: flexible-extract)",
    )
    named = compare(paths, choice=Choice(metric="exact_match", filter="flexible-extract"))
    assert named.compared[0].difference.difference == 0
    assert not named.warnings
    assert compare(paths, choice=Choice(metric="chars")).compared[0].difference.second == 16.5


def test_epochs_of_a_question_are_one_cluster(tmp_path: Path) -> None:
    first = write_inspect(tmp_path / "a.json", [["C", "I"], ["P", "I"]] + [["I", "I"]] * 10)
    second = write_inspect(tmp_path / "b.json", [["C", "C"], ["C", "P"]] + [["I", "I"]] * 10)
    [found] = compare([first, second]).compared
    assert (found.difference.answers, found.difference.clusters) == (24, 12)
    assert found.difference.difference == pytest.approx(2 / 24)
    assert found.difference.p_value == pytest.approx(0.5)  # signs of 1 and 1: half as far as 2


def test_clusters_by_a_field_of_the_question(tmp_path: Path) -> None:
    logs = [write_lm_eval(tmp_path / name, right) for name, right in (("a", RIGHT), ("b", BETTER))]
    run = write_run(tmp_path / "run", {"a": RIGHT, "b": BETTER})
    for paths, field in ((logs, "kind"), ([run / "predictions" / n for n in "ab"], "task")):
        found = compare(paths, choice=Choice(cluster=field))
        assert found.compared[0].difference.clusters == 2
        assert "2 clusters are too few" in found.warnings[-1]


def test_several_tasks_are_corrected_and_pooled(tmp_path: Path) -> None:
    for name, right in (("a", RIGHT), ("b", BETTER), ("c", RIGHT)):
        for task in ("sums", "words_2_3"):
            write_lm_eval(tmp_path / name / "model", right, task=task, filters=["none"])
    found = compare([tmp_path / name for name in "abc"])
    by_name = {(each.system, each.task): each for each in found.compared}
    assert list(by_name) == [(s, t) for s in "bc" for t in ("sums", "words_2_3", ALL)]
    assert by_name["b", "sums"].p_adjusted == pytest.approx(4 * 0.25)
    assert by_name["b", ALL].difference.p_value == pytest.approx(2 / 2**6)
    assert by_name["b", ALL].p_adjusted == pytest.approx(4 / 2**6)
    [only] = compare([tmp_path / "a", tmp_path / "b"], tasks=["sums"]).compared
    assert only.task == "sums"


def test_a_run_is_compared_by_its_selected_checkpoint(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"step-000000": RIGHT, "step-000002": BETTER})
    alone = write_run(tmp_path / "alone", {"model": RIGHT})
    with pytest.raises(ConfigurationError, match=r"step-000000, step-000002 and no selection"):
        compare([alone, run])
    [found] = compare([alone, run / "predictions" / "step-000002"]).compared
    assert found.difference.difference == pytest.approx(0.25)


REFUSED = {
    "one evaluation": (lambda p: ([p / "a"], {}), "at least two evaluations"),
    "nothing there": (lambda p: ([p / "a", p / "none"], {}), "none does not exist"),
    "no evaluation": (lambda p: ([p / "a", p / "empty"], {}), "empty holds no predictions of ours"),
    "the same twice": (lambda p: ([p / "a", p / "a"], {}), "named twice"),
    "no such metric": (lambda p: ([p / "a", p / "b"], {"choice": Choice(metric="acc")}),
                       "no metric 'acc'; there is exact_match, chars"),
    "no such filter": (lambda p: ([p / "a", p / "b"], {"choice": Choice(filter="x")}),
                       "no filter 'x'; there is strict-match, flexible-extract"),
    "no such field": (lambda p: ([p / "a", p / "b"], {"choice": Choice(cluster="x")}),
                      "no field 'x' to cluster by; it has kind, question"),
    "no such task": (lambda p: ([p / "a", p / "b"], {"tasks": ["x"]}),
                     "task 'x' is not in every evaluation; in common are: sums"),
    "other prompts": (lambda p: ([p / "a", p / "reworded"], {}),
                      "the prompts of 12 of 12 questions differ .*--any-prompt"),
    "other questions": (lambda p: ([p / "a", p / "other"], {}),
                        "12 of 12 questions differ under the same name"),
    "no task in common": (lambda p: ([p / "a", p / "words"], {}), "no task in common .a: sums; w"),
    "twice in a file": (lambda p: ([p / "a", p / "twice"], {}), "answered twice"),
    "two logs of a task": (lambda p: ([p / "a", p / "both"], {}), "both of the task sums"),
    "no number": (lambda p: ([p / "a", p / "text"], {}), "exact_match is 'yes', not a number"),
    "not a number": (lambda p: ([p / "a", p / "nan"], {}), "has no score .nan"),
    "no metrics": (lambda p: ([p / "a", p / "bare"], {}), "no metrics; expected: the samples"),
    "no id": (lambda p: ([p / "a", p / "nameless"], {}), "no doc_id"),
    "torn archive": (lambda p: ([p / "a", p / "torn.eval"], {}), "torn.eval is damaged"),
    "no log": (lambda p: ([p / "a", p / "list.json"], {}), "is no JSON object"),
    "no task's name": (lambda p: ([p / "a", p / "unnamed.json"], {}), "names no task"),
    "unscored": (lambda p: ([p / "a", p / "unscored.json"], {}), "sample 0: no score"),
    "an odd score": (lambda p: ([p / "a", p / "odd.json"], {}), "match is 'X', neither a number"),
    "no scorer": (lambda p: ([p / "i.json", p / "odd.json"], {"choice": Choice(metric="f1")}),
                  "no scorer 'f1'; there is match, includes"),
    "no sample": (lambda p: ([p / "a", p / "hollow.json"], {}), "holds no sample"),
}  # fmt: skip


@pytest.fixture(scope="module")
def odd_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with everything that ``REFUSED`` names."""
    path = tmp_path_factory.mktemp("odd")
    (path / "empty").mkdir()
    for name in ("a", "b", "both/x", "both/y"):
        write_lm_eval(path / name, RIGHT)
    write_lm_eval(path / "reworded", RIGHT, prompt="q")
    write_lm_eval(path / "words", RIGHT, task="words")
    write_lm_eval(path / "twice", RIGHT, filters=["strict-match", "strict-match"])
    changes: dict[str, dict[str, object]] = {
        "other": {"doc_hash": "x"}, "text": {"exact_match": "yes"}, "bare": {"metrics": []},
        "nan": {"exact_match": float("nan")}, "nameless": {"doc_id": None},
    }  # fmt: skip
    for name, change in changes.items():
        write_lm_eval(path / name, RIGHT, change=change)
    write_inspect(path / "i.json", [["C"]])
    write_inspect(path / "odd.json", [["X"]])
    (path / "torn.eval").write_bytes(b"PK\x03\x04torn")
    (path / "list.json").write_text("[1]")
    (path / "unnamed.json").write_text('{"eval": {}}')
    (path / "hollow.json").write_text(json.dumps(inspect_log([])))
    unscored = {"eval": {"task": "sums"}, "samples": [{"id": 0, "scores": {}}]}
    (path / "unscored.json").write_text(json.dumps(unscored))
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compared_is_said(odd_logs: Path, name: str) -> None:
    arguments, message = REFUSED[name]
    paths, options = arguments(odd_logs)
    with pytest.raises((ConfigurationError, InputError), match=message):
        compare(paths, **options)


def test_other_words_are_compared_where_that_is_asked_for(odd_logs: Path) -> None:
    [found] = compare([odd_logs / "a", odd_logs / "reworded"], any_prompt=True).compared
    assert found.difference.difference == 0


def test_an_archive_packed_with_zstandard_says_the_same(tmp_path: Path) -> None:
    pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
    logs = [write_inspect(tmp_path / f"{name}.eval", [["C"], ["I"]]) for name in "ab"]
    plain = compare(logs)
    for path in logs:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zstd_zipfile.ZipFile(path, "w", zstd_zipfile.ZIP_ZSTANDARD) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    with zipfile.ZipFile(path) as archive:
        assert {info.compress_type for info in archive.infolist()} == {93}
    assert compare(logs) == plain


def test_an_archive_packed_in_an_unknown_way_says_how_to_convert(tmp_path: Path) -> None:
    log = write_inspect(tmp_path / "a.eval", [["C"]])
    content = bytearray(log.read_bytes())
    at = content.rindex(b"PK\x01\x02", 0, content.index(b"header.json", content.index(b"PK\x01")))
    content[at + 10] = content[content.index(b"PK\x03\x04") + 8] = 250  # no method of that number
    log.write_bytes(content)
    with pytest.raises(InputError, match="inspect log convert"):
        compare([log, write_inspect(tmp_path / "b.eval", [["C"]])])


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    paths = [str(write_lm_eval(tmp_path / name, right, filters=["none"], change={"metrics":
             ["exact_match"]})) for name, right in (("a", RIGHT), ("b", BETTER[:11]))]  # fmt: skip
    shown = CliRunner().invoke(cli, ["compare", *paths])
    assert shown.exit_code == 0
    assert "less a/samples_sums" in shown.stdout
    assert "+27.3 [" in shown.stdout
    assert "left out: 1 answer to questions" in shown.stderr
    plain = CliRunner().invoke(cli, ["compare", *paths, "--json"])
    [line] = json.loads(plain.stdout)["compared"]
    assert line["difference"] == pytest.approx(3 / 11)
    assert line["p_adjusted"] == line["p_value"] == pytest.approx(0.25)
