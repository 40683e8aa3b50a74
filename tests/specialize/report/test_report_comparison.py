"""Several runs side by side, and the model card."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest
import yaml

from specialize.artifacts.predictions import PredictionFile
from specialize.artifacts.selection import read_selection, record_test
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import record_recipe
from specialize.errors import ConfigurationError
from specialize.pipeline import report_runs
from specialize.report import card, push, write_comparison, write_report
from specialize.report.comparison import compare
from specialize.selection.paired_tests import holm, pair
from tests.specialize.report.test_report import EVERY, Page
from tests.support.report_toys import SETS as TOY_SETS
from tests.support.report_toys import renamed, toy_recipe, write_toy_run

SETS = tuple(TOY_SETS)[:3]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Recipe, Path]]:
    """Two runs of one recipe but for its seed; the second is right elsewhere."""
    made = []
    for number in range(2):
        recipe = toy_recipe(SETS).model_copy(update={"seed": number})
        run = tmp_path_factory.mktemp("runs") / f"run{number}"
        run.mkdir()
        write_toy_run(run, recipe, count=60, seed=number)
        record_recipe(recipe, run)
        made.append((recipe, run))
    return made


def test_differences_are_paired_and_corrected(runs: list[tuple[Recipe, Path]]) -> None:
    found = compare(runs)
    assert [entry.name for entry in found.entries] == ["run0", "run1"]
    assert found.split == "test"
    assert [name for name, _ in found.sets] == list(SETS)
    p_values = {}
    for name in SETS:
        files = [
            PredictionFile.of(run, read_selection(run).checkpoint, name, "test", "zero-shot-cot")
            for _, run in reversed(runs)
        ]
        counts = pair(*(file.read() for file in files))
        against = found.against["run1", name]
        assert against.change.difference == counts.difference
        assert against.change.interval[0] <= counts.difference <= against.change.interval[1]
        p_values[name] = counts.p_value
    adjusted = [found.against["run1", name].p_adjusted for name in SETS]
    assert adjusted == holm(list(p_values.values()))
    assert found.differences == (("seed", ("0", "1")),)


def test_the_comparison_is_one_page_and_tables(
    runs: list[tuple[Recipe, Path]], tmp_path: Path
) -> None:
    page = write_comparison(runs, tmp_path / "c")
    first = {p.name: p.read_bytes() for p in (tmp_path / "c").rglob("*") if p.is_file()}
    html = page.read_text()
    found = Page(html)
    assert found.tags["script"] == 0
    assert found.tags["svg"] == 1
    assert not re.search(r'(href|src)="(?!#|data:,")', html)
    assert html.count('<th scope="col" class="reason">') == 2  # heads of texts stand over them
    rows = list(csv.DictReader((tmp_path / "c" / "comparison.csv").read_text().splitlines()))
    assert len(rows) == 6
    for row in rows:
        assert f"{100 * float(row['after']):.1f} %" in found.text
    assert {"comparison.svg", "comparison.md"} <= first.keys()
    write_comparison(runs, tmp_path / "c")
    assert {p.name: p.read_bytes() for p in (tmp_path / "c").rglob("*") if p.is_file()} == first


def test_markup_in_a_comparison_stays_text(tmp_path: Path) -> None:
    pages, cards = [], []
    for extra in ("", EVERY):
        made = []
        for number in range(2):
            recipe = renamed(toy_recipe(("shop", "farm"), name=f"toy{number}"), extra)
            run = tmp_path / f"run{number}{len(extra)}"
            run.mkdir()
            write_toy_run(run, recipe, count=10, steps=(0, 10))
            made.append((recipe, run))
        out = tmp_path / f"out{len(extra)}"
        pages.append(Page(write_comparison(made, out).read_text()))
        write_report(*made[0])
        cards.append((made[0][1] / card.CARD).read_text())
    clean, attacked = pages
    assert attacked.tags.keys() - {"wbr"} == clean.tags.keys() - {"wbr"}
    assert attacked.attributes == clean.attributes
    assert "<script>alert" in attacked.text
    prose = cards[1].split("---\n", 2)[2].split("\n```")[0]
    assert not re.search(r"<(script|img|svg|iframe)", prose)
    assert yaml.safe_load(cards[1].split("---\n", 2)[1])


def test_without_test_scores_validation_is_used(
    runs: list[tuple[Recipe, Path]], tmp_path: Path
) -> None:
    run = tmp_path / "run9"
    shutil.copytree(runs[1][1], run)
    lines = (run / "scores.jsonl").read_text().splitlines(keepends=True)
    (run / "scores.jsonl").write_text("".join(x for x in lines if '"validation"' in x))
    found = compare([runs[0], (runs[1][0], run)])
    assert found.split == "validation"
    page = write_comparison([runs[0], (runs[1][0], run)], tmp_path / "out")
    assert "Not every run was scored on the test split" in page.read_text()


def test_what_can_not_be_compared(runs: list[tuple[Recipe, Path]], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="needs at least two runs"):
        compare(runs[:1])
    with pytest.raises(ConfigurationError, match="named twice"):
        compare([runs[0], runs[0]])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match=r"has no selection\.json"):
        compare([runs[0], (runs[0][0], tmp_path / "empty")])
    other = toy_recipe(("another",))
    (tmp_path / "other").mkdir()
    write_toy_run(tmp_path / "other", other, count=10, steps=(0, 10))
    with pytest.raises(ConfigurationError, match="no evaluation set in common"):
        compare([runs[0], (other, tmp_path / "other")])


def test_the_command_compares_or_reports(runs: list[tuple[Recipe, Path]], tmp_path: Path) -> None:
    folders = [run for _, run in runs]
    assert report_runs(folders, tmp_path, None) == {"comparison": str(tmp_path / "comparison.html")}
    assert "report" in report_runs(folders[:1], tmp_path, None)
    with pytest.raises(ConfigurationError, match="one checkpoint can be pushed"):
        report_runs(folders, tmp_path, "me/mine")


def test_the_card_has_the_test_results_alone(runs: list[tuple[Recipe, Path]]) -> None:
    recipe, run = runs[0]
    write_report(recipe, run)
    text = (run / card.CARD).read_text()
    _, front, body = text.split("---\n", 2)
    results = yaml.safe_load(front)["model-index"][0]["results"]
    rows = list(csv.DictReader((run / "figures" / "scores.csv").read_text().splitlines()))
    chosen = read_selection(run).checkpoint
    wanted = {
        r["set"]: round(float(r["accuracy"]), 4)
        for r in rows
        if r["checkpoint"] == chosen and r["split"] == "test"
    }
    assert {r["dataset"]["name"]: r["metrics"][0]["value"] for r in results} == wanted
    assert "## Limits" in body
    assert recipe.student in body


def test_a_card_without_test_scores_has_no_results(tmp_path: Path) -> None:
    recipe = toy_recipe(("shop", "farm"))
    write_toy_run(tmp_path, recipe, count=10, steps=(0, 10))
    lines = (tmp_path / "scores.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "scores.jsonl").write_text("".join(x for x in lines if '"validation"' in x))
    write_report(recipe, tmp_path)
    text = (tmp_path / card.CARD).read_text()
    assert "model-index" not in text
    assert "Not scored on a test split" in text


def test_push_sends_the_selected_checkpoint_and_its_card(
    runs: list[tuple[Recipe, Path]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe, run = runs[0]
    sent: list[tuple[str, object]] = []

    class Hub:
        def create_repo(self, name: str, *, exist_ok: bool, private: bool) -> None:
            sent.append((name, private))

        def upload_folder(
            self, *, repo_id: str, folder_path: object, ignore_patterns: object = None
        ) -> str:
            sent.append((Path(str(folder_path)).name, ignore_patterns))
            return f"there/{repo_id}"

    monkeypatch.setattr(card, "HfApi", Hub)
    write_report(recipe, run)
    assert push(run, recipe, "me/mine") == "there/me/mine"
    assert sent[0] == ("me/mine", True)
    assert sent[1][0] == read_selection(run).checkpoint
    assert "*.pt" in sent[1][1]
    with pytest.raises(ConfigurationError, match="no selected checkpoint with a card"):
        push(tmp_path, recipe, "me/mine")


def test_the_report_says_what_was_scored_on_test(tmp_path: Path) -> None:
    recipe = toy_recipe(("shop", "farm"))
    write_toy_run(tmp_path, recipe, count=10, steps=(0, 10))
    selection = read_selection(tmp_path)
    record_test(tmp_path, selection)
    text = Page(write_report(recipe, tmp_path).read_text()).text
    assert f"On record as scored on the test split, in this order: {selection.checkpoint}" in text
