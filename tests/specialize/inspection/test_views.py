"""Alignments and rows as people see them: groups, what was dropped, mass, nothing executed."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from specialize.config.recipe import Teacher as TeacherSettings
from specialize.config.yaml_files import record_recipe
from specialize.errors import ConfigurationError
from specialize.inspection.aligned import Candidate, Cell, align_samples
from specialize.inspection.aligned import _groups as groups_of
from specialize.inspection.page import aligned_page
from specialize.inspection.rows import show_rows
from specialize.inspection.showing import show_alignment, show_run_rows
from specialize.store import Store
from specialize.targets.stage import write_targets
from specialize.teacher.dump import dump
from specialize.teacher.protocol import Finish
from specialize.tokens import load_tokenizer
from specialize.train.session import prepare_rows
from tests.support import teacher_toys, toys
from tests.support.scripted_teacher import ScriptedTeacher
from tests.support.store_samples import topk_logprob

EXAMPLES = teacher_toys.examples(3)
ATTACK = "<script>alert(1)</script>\x1b[31m\u202e"


def says(prompt: str, turn: int) -> tuple[str, Finish]:
    example = next(e for e in EXAMPLES if f"{e.question}\n" in prompt)
    return f"{example.rationale}\nThe answer is {example.answer} {ATTACK}", "eos"


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("stores")
    teacher = ScriptedTeacher(load_tokenizer(teacher_toys.gpt2()), says)
    dump(teacher, EXAMPLES, folder / "responses", TeacherSettings(max_new_tokens=200))
    write_targets(folder / "responses", folder / "targets", student=str(teacher_toys.t5()))
    return folder / "responses", folder / "targets"


def cell(piece: str, **candidates: float) -> Cell:
    entries = tuple(Candidate(p.replace("_", " ").encode(), q) for p, q in candidates.items())
    return Cell(piece.encode(), entries, min(1.0, sum(candidates.values())))


def test_groups_by_hand() -> None:
    """The worked record: `` $`` and ``12`` are one token of the student."""
    teacher = [cell("She", She=0.9, He=0.1), cell(" $", **{"_$": 0.9, "_a": 0.1}),
               cell("12", **{"12": 0.7, "10": 0.2}), Cell(b"", (), 1.0)]  # fmt: skip
    student = [cell(" She", _She=0.9), cell(" $12", **{"_$12": 0.63, "_$10": 0.18}),
               Cell(b"", (), 1.0)]  # fmt: skip
    found = groups_of(teacher, student)
    assert [(len(g.teacher), len(g.student)) for g in found] == [(1, 1), (2, 1), (1, 1)]
    dropped = [[c.piece for c in g.teacher[0].candidates if c.dropped] for g in found]
    assert dropped == [[b"He"], [b" a"], []]


def test_every_token_is_in_one_group(stores: tuple[Path, Path]) -> None:
    responses, targets = stores
    source, made = Store.open(responses), Store.open(targets)
    for example, number in made.keys:
        found = align_samples(responses, targets, example, number)
        sides = [[c.piece for g in found.groups for c in getattr(g, side)]
                 for side in ("teacher", "student")]  # fmt: skip
        for store, pieces in zip((source, made), sides, strict=True):
            tokens = store[example, number].token_id.tolist()
            assert pieces == [store.vocabulary()[token] for token in tokens]
        texts = [
            ("".join(c.piece.decode(errors="ignore") for c in g.teacher).split(),
             "".join(c.piece.decode(errors="ignore") for c in g.student).split())
            for g in found.groups
        ]  # fmt: skip
        assert [a for a, b in texts if a == b], "groups spell the same words"
        kept = np.exp(topk_logprob(made[example, number]).astype(float)).sum(-1)
        shown = [c.kept for g in found.groups for c in g.student]
        assert shown == pytest.approx(np.minimum(kept, 1).tolist())


def test_terminal_and_page_show_it_and_run_nothing(
    stores: tuple[Path, Path], tmp_path: Path
) -> None:
    console = Console(file=io.StringIO(), width=160, force_terminal=True)
    show_alignment(*stores, console)
    out = console.file.getvalue()
    assert "policy prefix" in out
    assert "\x1b[31m\u202e" not in out
    assert "<" in out
    show_alignment(*stores, console, html=tmp_path / "a.html")
    html = (tmp_path / "a.html").read_text()
    assert "<script" not in html
    assert html == aligned_page(align_samples(*stores, None, 0))
    assert "default-src 'none'" in html
    with pytest.raises(ConfigurationError, match="is there already"):
        show_alignment(*stores, console, html=tmp_path / "a.html")


def test_stores_that_do_not_belong_together(stores: tuple[Path, Path], tmp_path: Path) -> None:
    responses, targets = stores
    with pytest.raises(ConfigurationError, match=r"holds targets and .* responses"):
        align_samples(targets, responses, None, 0)
    with pytest.raises(ConfigurationError, match="has no sample 0 of 'absent'"):
        align_samples(responses, targets, "absent", 0)
    teacher = ScriptedTeacher(load_tokenizer(teacher_toys.gpt2()), says)
    dump(teacher, EXAMPLES[:1], tmp_path / "other", TeacherSettings(max_new_tokens=200))
    with pytest.raises(ConfigurationError, match="was not aligned from"):
        align_samples(tmp_path / "other", targets, None, 0)


def test_rows_are_those_of_training(tmp_path: Path) -> None:
    tokenizer = toys.write_world(tmp_path)
    recipe = toys.toy_recipe(tmp_path)
    run = tmp_path / "run"
    rows = prepare_rows(recipe, run)
    found = show_rows(rows, tokenizer, objective=None, example=None, count=2)
    assert [row.objective for row in found] == [
        o.name for o in recipe.objectives for _ in range(2)
    ]  # fmt: skip
    for shown in found:
        number = rows.objectives.index(shown.objective)
        row = next(
            r for r in rows.rows
            if (r.objective, r.key) == (number, (shown.example, shown.sample))
        )  # fmt: skip
        vocabulary = tokenizer.vocabulary()
        assert [c.piece for c in shown.cells] == vocabulary.pieces(row.target_ids.tolist())
        assert shown.prompt == tokenizer.decode(row.prompt_ids.tolist())
        stored, ends = np.exp(row.distributions.logprobs.astype(float)), row.distributions.indptr
        mass = np.add.reduceat(stored, ends[:-1])
        assert [c.kept for c in shown.cells] == pytest.approx(np.minimum(mass, 1).tolist())
    record_recipe(recipe, run)
    console = Console(file=io.StringIO(), width=160)
    show_run_rows(run, console, objective=recipe.objectives[0].name)
    assert re.search(r"prompt, \d+ tokens", console.file.getvalue())
    show_run_rows(run, console, html=tmp_path / "rows.html")
    assert (tmp_path / "rows.html").read_text().count("<h2>") == len(recipe.objectives)
    with pytest.raises(ConfigurationError, match="no objective 'none'"):
        show_rows(rows, tokenizer, objective="none", example=None, count=1)
    with pytest.raises(ConfigurationError, match="no row of example 'none'"):
        show_rows(rows, tokenizer, objective=None, example="none", count=1)
