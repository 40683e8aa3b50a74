"""The report: what it says, that data stays text, that the same run gives the same bytes."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from specialize.artifacts.learned_tokens import record_learned
from specialize.artifacts.predictions import PredictionFile, prediction_files
from specialize.artifacts.results import RunResults
from specialize.artifacts.scores import Accuracy, CheckpointScore, read_scores, write_scores
from specialize.config.recipe import EvaluationSet, Recipe
from specialize.errors import InputError
from specialize.report import write_report
from specialize.report.canvas import label_points
from specialize.report.cases import shorten
from specialize.report.figures import _around
from specialize.report.gather import gather
from specialize.report.markdown import fenced, plain
from specialize.report.measures import _plain, pace, store_facts
from specialize.report.page import environment
from tests.support.report_toys import SETS, regraded, renamed, toy_recipe, with_texts, write_toy_run

INJECTIONS = (
    "<script>alert(1)</script>",
    "</pre><img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</script><script>alert(1)</script>",
    "</style><style>*{display:none}</style>",
    "<!-- --><iframe src=//a.example>",
    "{{ 7 * 7 }}{% for x in y %}",
    "$\\frac12$ $x_{$",
    "`````` | a | b |\n# not a heading",
    "[x](javascript:alert(1)) ![x](http://a.example/x.png)",
    "]]> <?php &lt;b&gt; &#60;i&#62;",
    "\u202edlrow\u0007\u0000\ud7ff\ufeff",
    'url(#x) id="y" href="#z" #1d2733',
)
EVERY = " ".join(INJECTIONS)


class Page(HTMLParser):
    """Counts tags and attributes of a page, and joins its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: set[tuple[str, str]] = set()
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {(tag, name) for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    recipe, run = toy_recipe(), tmp_path_factory.mktemp("run")
    write_toy_run(run, recipe)
    write_report(recipe, run)
    return recipe, run


def _page(run: Path) -> Page:
    return Page((run / "report.html").read_text(encoding="utf-8"))


def test_the_page_says_what_was_chosen_and_what_it_changed(made: tuple[Recipe, Path]) -> None:
    _, run = made
    selection = json.loads((run / "selection.json").read_text())
    text = _page(run).text
    assert f"Step {selection['step']} was selected" in text
    scores = {(s.checkpoint, s.set, s.split): s for s in read_scores(run / "scores.jsonl")}
    for name in SETS:
        for checkpoint in ("step-000000", selection["checkpoint"], "teacher-big"):
            accuracy = scores[checkpoint, name, "test"].accuracy
            low, high = accuracy.interval()
            assert f"{100 * accuracy.value:.1f} %" in text
            assert f"{100 * low:.1f}–{100 * high:.1f}" in text
    assert "mean of 3 sets" in text
    assert "McNemar p = " in text


def test_the_smoothed_choice_is_beside_the_raw_one_and_sets_say_what_they_can(
    tmp_path: Path,
) -> None:
    recipe = toy_recipe(("shop", "farm")).model_copy(update={"smooth": 3})
    write_toy_run(tmp_path, recipe, count=40, steps=(0, 10, 20, 30, 40, 50), test=False)
    write_report(recipe, tmp_path)
    selection = json.loads((tmp_path / "selection.json").read_text())
    raw = selection["raw_choice"]
    same = "the same step" if raw["step"] == selection["step"] else "step"
    page, text = _page(tmp_path).text, (tmp_path / "report.md").read_text()
    said = f"mean of the scores of 3 neighbouring ones, which gives step {selection['step']} a v"
    for shown in (page, text):
        assert said in shown
        assert f"Their own scores would choose {same} {raw['step']}" in shown
        assert "without smoothing" in shown
    for one in selection["signals"]:
        assert (one["checkpoints"], one["last"], round(one["by_chance"], 1)) == (5, 3, 2.3)
        row = f"| {one['set']} | {100 * one['signal']:.1f} % | {100 * one['noise']:.1f} % | 3 | "
        assert f"{row}{one['ratio']:.1f} | 2.3 |" in text
    first = selection["judged"][0]
    assert f"| 10 | {100 * first['value']:.1f} % | {100 * first['raw']:.1f} % |" in text


def test_test_scores_of_others_are_not_shown_and_cautioned_about(tmp_path: Path) -> None:
    recipe = toy_recipe(("shop", "farm"))
    write_toy_run(tmp_path, recipe, count=40, steps=(0, 10, 20))
    scores = read_scores(tmp_path / "scores.jsonl")
    chosen = json.loads((tmp_path / "selection.json").read_text())["step"]
    other = CheckpointScore(
        checkpoint="step-000099", step=99, set="shop", split="test", role="in-distribution",
        format="zero-shot-cot", accuracy=Accuracy(9713, 10000),
    )  # fmt: skip
    write_scores(tmp_path / "scores.jsonl", [*scores, other])
    write_report(recipe, tmp_path)
    text = _page(tmp_path).text
    assert chosen != 99
    assert "97.1 %" not in text
    assert "Other checkpoints were scored on the test split too (step-000099)" in text


def test_the_page_is_one_file_under_a_strict_policy(made: tuple[Recipe, Path]) -> None:
    _, run = made
    html = (run / "report.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert "unsafe-eval" not in policy
    page = Page(html)
    assert page.tags["script"] == 1
    assert not {"img", "iframe", "object", "embed", "base", "form"} & page.tags.keys()
    assert not [name for _, name in page.attributes if name.startswith("on") or name == "src"]
    assert not re.search(r'(href|src)="(?!#|data:,")', html)
    assert page.tags["svg"] >= 10


def test_figures_have_ids_of_their_own_and_every_reference_is_met(
    made: tuple[Recipe, Path],
) -> None:
    html = (made[1] / "report.html").read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r'href="#([^"]+)"', html)) | set(re.findall(r"url\(#([^)]+)\)", html))
    assert wanted <= set(ids)


def test_figures_and_tables_are_beside_it(made: tuple[Recipe, Path]) -> None:
    _, run = made
    names = {path.name for path in (run / "figures").iterdir()}
    assert {
        "outcome.svg",
        "trade-off.svg",
        "front.svg",
        "set-00.svg",
        "target-rows.svg",
    } <= names
    for path in (run / "figures").glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    rows = list(csv.DictReader((run / "figures" / "scores.csv").read_text().splitlines()))
    scores = read_scores(run / "scores.jsonl")
    assert [(r["checkpoint"], r["set"], r["split"]) for r in rows] == [
        (s.checkpoint, s.set, s.split) for s in scores
    ]
    assert float(rows[0]["accuracy"]) == pytest.approx(scores[0].accuracy.value, abs=1e-6)
    training = list(csv.DictReader((run / "figures" / "training.csv").read_text().splitlines()))
    assert {r["objective"] for r in training} == {"cot", "answer"}
    markdown = (run / "report.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(figures/([^)]+)\)", markdown)
    assert linked
    assert set(linked) <= names


def test_made_twice_it_is_the_same(made: tuple[Recipe, Path], tmp_path: Path) -> None:
    recipe, run = made
    names = [
        "report.html",
        "report.md",
        *sorted(f"figures/{p.name}" for p in (run / "figures").iterdir()),
    ]
    first = {name: (run / name).read_bytes() for name in names}
    (run / "figures" / "stale.svg").write_text("<svg/>")
    write_report(recipe, run)
    assert {name: (run / name).read_bytes() for name in names} == first
    assert not (run / "figures" / "stale.svg").exists()


def test_shares_are_in_percent_and_nats_are_not(tmp_path: Path) -> None:
    write_toy_run(tmp_path, toy_recipe(("shop",)), count=4, steps=(0, 100))
    [facts] = store_facts(tmp_path)
    assert (facts.summary["soft share"], facts.summary["nats per token"]) == ("98.1 %", "0.41")


@pytest.mark.parametrize(
    ("shares", "limits"),
    [([0, 0], (-1 / 300, 0.02)), ([0.5, 1], (0.43, 1 + 0.07 / 6)), ([0.4, 0.4], (0.38, 0.42))],
)
def test_no_accuracy_is_shown_below_none(shares: list[float], limits: tuple[float, float]) -> None:
    assert _around(shares) == pytest.approx(limits)


def test_a_table_within_a_summary_is_in_words() -> None:
    by_class = {"word start": {"rows": 8361, "soft_share": 1.0}, "number": {"rows": 44}}
    assert _plain(by_class, "by class") == (
        "word start (rows: 8,361, soft share: 100.0 %), number (rows: 44)"
    )
    assert _plain({"cut by length": 261}, "dropped") == "cut by length: 261"
    assert _plain({}, "dropped") == "none"


def test_markup_in_data_stays_text(tmp_path: Path) -> None:
    """Every field that comes from data or models holds every attack."""
    plain_run, attacked_run = tmp_path / "plain", tmp_path / "attacked"
    for run, extra in ((plain_run, ""), (attacked_run, EVERY)):
        run.mkdir()
        recipe = renamed(toy_recipe(("shop", "farm")), extra)
        _attack(recipe, run, extra)
        write_report(recipe, run)
    clean, page = _page(plain_run), _page(attacked_run)
    assert page.tags.keys() - {"wbr"} == clean.tags.keys() - {"wbr"}
    assert page.attributes == clean.attributes
    assert page.tags["script"] == page.tags["style"] - clean.tags["style"] + 1 == 1
    shown = page.text
    for attack in INJECTIONS[:9]:
        assert attack in shown, "the attack is shown as it is written"


def _attack(recipe: Recipe, run: Path, extra: str) -> None:
    write_toy_run(run, recipe, count=12, steps=(0, 10, 20))
    for file in prediction_files(run):
        if extra:
            file.replace([with_texts(p, f"{p.text}{extra}") for p in file.read()])
    for path in (run / "predictions" / "questions").iterdir():
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            line |= {key: f"{line[key]}{extra}" for key in ("question", "rationale", "task")}
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    metrics = json.dumps({"step": 1, "objectives": {f"cot{extra}": {"nats": 1.0}}})
    (run / "metrics.jsonl").write_text(metrics + "\n")
    selection = json.loads((run / "selection.json").read_text())
    selection["warnings"] = [f"beware{extra}"]
    selection["explanation"] += extra
    (run / "selection.json").write_text(json.dumps(selection))


@pytest.mark.parametrize("attack", INJECTIONS)
def test_markdown_is_escaped(attack: str) -> None:
    escaped = plain(attack)
    assert "\n" not in escaped
    assert not re.search(r"(?<!\\)[|`\[\]*<>]", escaped)
    block = fenced(attack).split("\n")
    fence = block[0].removesuffix("text")
    assert set(fence) == {"`"}
    assert fence not in attack
    assert block[-2] == fence


def test_a_run_without_anything_says_what_is_missing(tmp_path: Path) -> None:
    write_report(toy_recipe(), tmp_path)
    text = _page(tmp_path).text
    for missing in (
        "No checkpoint was selected yet",
        "No selection.json in this run",
        "No checkpoint was evaluated on a validation split yet",
        "No metrics.jsonl in this run",
        "No store of responses or targets in this run",
        "No predictions of a selected checkpoint",
    ):
        assert missing in text
    assert "No checkpoint was selected yet" in (tmp_path / "report.md").read_text()
    with pytest.raises(InputError, match="there is no run at"):
        write_report(toy_recipe(), tmp_path / "absent")


def test_a_run_without_test_scores_and_teacher_says_so(tmp_path: Path) -> None:
    recipe = toy_recipe(("shop", "farm"))
    write_toy_run(tmp_path, recipe, count=30, steps=(0, 10, 20), test=False)
    write_report(recipe, tmp_path)
    text = _page(tmp_path).text
    assert "was not scored on the test split" in text
    assert "No teacher was evaluated" in text
    assert "on the validation split" in text


def test_a_run_without_the_student_before_has_no_change(tmp_path: Path) -> None:
    recipe = toy_recipe(("shop", "farm"))
    write_toy_run(tmp_path, recipe, count=30, steps=(10, 20), test=False)
    write_report(recipe, tmp_path)
    text = _page(tmp_path).text
    assert "The student before training was not evaluated" in text
    assert "wrong" in text


def test_one_checkpoint_and_one_set_are_enough(tmp_path: Path) -> None:
    recipe = toy_recipe(("shop",))
    write_toy_run(tmp_path, recipe, count=30, steps=(10,), test=False)
    write_report(recipe, tmp_path)
    assert "Step 10 was selected" in _page(tmp_path).text


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    recipe = toy_recipe(("shop",))
    write_toy_run(tmp_path, recipe, count=20, steps=(0, 10))
    (tmp_path / "targets" / "big" / "store.json").write_text("{}")
    write_report(recipe, tmp_path)
    text = _page(tmp_path).text
    assert "targets/big" in text
    assert "store.json" in text


def test_cautions_about_limits_floors_and_cut_responses(tmp_path: Path) -> None:
    recipe = toy_recipe(("shop", "farm"))
    limited = tuple(
        EvaluationSet(**(spec.model_dump() | {"limit": 30})) for spec in recipe.evaluation.sets
    )
    recipe = recipe.model_copy(
        update={"evaluation": recipe.evaluation.model_copy(update={"sets": limited})}
    )
    write_toy_run(tmp_path, recipe, count=30, steps=(0, 10))
    for file in prediction_files(tmp_path):
        predictions = [with_texts(p, "x") for p in file.read()]
        file.replace(
            type(p)(**{**_values(p), "finished": False, "refused": i == 0})
            for i, p in enumerate(predictions)
        )
    scores = [
        CheckpointScore(
            checkpoint=s.checkpoint, step=s.step, set=s.set, split=s.split, role=s.role,
            format=s.format, accuracy=Accuracy(0, 30), unanswered=29,
        )
        for s in read_scores(tmp_path / "scores.jsonl")
    ]  # fmt: skip
    write_scores(tmp_path / "scores.jsonl", scores)
    counts = {"rows": 9, "target_tokens": 2000, "learned_tokens": 1400, "rows_filtered": 600}
    record_learned(tmp_path, {"cot": {**counts, "no_row_passes": 3}, "all": {"target_tokens": 9}})
    write_report(recipe, tmp_path)
    text = _page(tmp_path).text
    for caution in (
        "Objective cot: 1,400 of 2,000 target tokens carried the loss (row_filter took out 600, "
        "3 responses had no row left).",
        "Not a result: a limit cut the sets shop (30), farm (30)",
        "Accuracy is near zero on shop, farm",
        "Small sets: shop (30), farm (30)",
        "no answer was found: shop (29 of 30), farm (29 of 30)",
        "did not end by themselves: shop (29 of 30)",
        "refused and count as wrong: shop (1 of 30)",
    ):
        assert caution in text


def _values(prediction: object) -> dict[str, object]:
    return {name: getattr(prediction, name) for name in prediction.__slots__}


def test_cases_are_of_both_directions_and_counted(made: tuple[Recipe, Path]) -> None:
    _, run = made
    chosen = json.loads((run / "selection.json").read_text())["checkpoint"]
    html = (run / "report.html").read_text(encoding="utf-8")
    kinds = Counter(re.findall(r'class="case" data-kind="([^"]+)"', html))
    assert set(kinds) == {"fixed", "broken", "still wrong", "still right"}
    before, after = (
        {p.id: p.correct for p in PredictionFile.of(run, c, "shop", "test", "zero-shot-cot").read()}
        for c in ("step-000000", chosen)
    )
    fixed = sum(after[i] and not before[i] for i in after)
    assert re.search(rf'<tr><th scope="row">shop</th><td>{fixed}</td>', html)


def test_readings_part_where_the_last_number_is_not_the_answer(tmp_path: Path) -> None:
    recipe = toy_recipe(("shop",))
    write_toy_run(tmp_path, recipe, count=8, steps=(0, 10))
    chosen = json.loads((tmp_path / "selection.json").read_text())["checkpoint"]
    file = PredictionFile.of(tmp_path, chosen, "shop", "test", "zero-shot-cot")
    texts = ["The answer is {}. Check: 1 + 1 = 2", "It comes to {}", "no idea\nnone at all"]
    predictions = [replace(p, gold="12") for p in file.read()]
    file.replace(regraded(p, texts[min(i, 2)].format(p.gold)) for i, p in enumerate(predictions))
    found = gather(recipe, RunResults(tmp_path)).readings
    assert dict(found.sets[0].correct) == {"flexible": 2, "strict": 1, "legacy": 1}
    assert dict(found.sets[0].unread) == {"flexible": 6, "strict": 7, "legacy": 6}
    verdicts = [tuple(one.correct.values()) for one in found.disagreements]
    assert verdicts == [(True, True, False), (True, False, True)]
    write_report(recipe, tmp_path)
    assert "The answer is 12. Check: 1 + 1 = 2" in _page(tmp_path).text


def test_tasks_are_shown_by_themselves_and_as_their_mean(tmp_path: Path) -> None:
    recipe = toy_recipe(("shop", "farm"))
    write_toy_run(tmp_path, recipe, count=12, steps=(0, 10))
    for file in prediction_files(tmp_path):
        settings = file.settings()
        if settings is not None and settings.set == "farm":
            tasks = ["plain", "plain", "hard"] * 4
            file.replace(replace(p, task=t) for p, t in zip(file.read(), tasks, strict=True))
    write_report(recipe, tmp_path)
    readings = gather(recipe, RunResults(tmp_path)).readings
    assert [(t.task, t.examples) for t in readings.tasks] == [("hard", 4), ("plain", 8)]
    shares = [t.correct["strict"] / t.examples for t in readings.tasks]
    text = _page(tmp_path).text
    assert "By task (2 tasks" in text
    assert "farm: mean of 2 tasks" in text
    assert f"{100 * sum(shares) / 2:.1f} %" in text


def test_long_texts_are_cut_and_say_so() -> None:
    assert shorten("a" * 4000) == "a" * 4000
    assert shorten("a" * 5234).endswith("a ... (1,234 more characters)")


def test_training_as_a_whole_is_told_in_medians():
    lines = [
        {"tokens_per_second": 900.0, "gradient_norm": 0.5, "padding": 0.02, "memory_mib": 1400},
        {"tokens_per_second": 1100.0, "gradient_norm": 0.7, "padding": 0.04, "memory_mib": 1500},
        {"tokens_per_second": 5000.0, "gradient_norm": 9.0, "padding": 0.03},
    ]
    assert pace(lines) == (
        "1,100 target tokens a second; gradient norm 0.70; padding 3.0 %; "
        "at most 1,500 MiB of memory"
    )
    assert pace([{"step": 1}]) == ""


def test_every_table_can_be_read_aloud_and_scrolled_by_keyboard(made: tuple[Recipe, Path]) -> None:
    html = (made[1] / "report.html").read_text(encoding="utf-8")
    tables = re.findall(r"<div ([^>]*)><table[^>]*>(.*?)</table>", html, re.DOTALL)
    assert len(tables) == html.count("<table") >= 4
    for region, table in tables:
        (caption,) = re.findall(r"<caption>(.+?)</caption>", table)
        assert f'role="region" aria-label="{caption}" tabindex="0"' in region
        headers = re.findall(r"<th\b([^>]*)>(.*?)</th>", table)
        assert all("scope=" in attributes and text for attributes, text in headers)
        rows = re.findall(r"<tr[^>]*>\s*<(\w+)", table)
        assert set(rows) == {"th"}, "every row says by its first cell what it is of"


def test_labels_of_points_do_not_touch() -> None:
    figure = Figure(figsize=(4.6, 3.6), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    points = {(0.60 + i / 100, 0.340 + (i % 2) / 1000): str(60 * i) for i in range(1, 12)}
    axes.scatter([x for x, _ in points], [y for _, y in points])
    label_points(axes, points)
    axes.margins(0.14)
    canvas.draw()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == [points[at] for at in sorted(points)]
    touching = [(i, j) for i in range(len(boxes)) for j in range(i) if boxes[i].overlaps(boxes[j])]
    assert touching == []


def test_names_break_after_their_marks_alone() -> None:
    made = environment().from_string("{{ name | breakable }}")
    assert made.render(name="evaluate_boolean") == "evaluate_<wbr>boolean"
    assert made.render(name="a-b/c.d_") == "a-<wbr>b/<wbr>c.<wbr>d_"
    assert made.render(name="<b>&x_y") == "&lt;b&gt;&amp;x_<wbr>y"
