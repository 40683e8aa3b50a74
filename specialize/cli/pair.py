"""The ``pair`` command: what a teacher's rows are worth to a student, before they are paid for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from specialize.cli.console import FILE, NEW_FILE, as_json_option, print_result
from specialize.errors import ConfigurationError
from specialize.objects.address import is_address

if TYPE_CHECKING:
    from specialize.pairs.evidence import Given

_WORLD = 1000  # texts of the bundled world, where none are given


@click.command()
@click.argument("teacher")
@click.argument("student")
@click.option(
    "--texts",
    type=FILE,
    default=None,
    help="Records with a text and perhaps a prompt; 200 are measured.  [default: bundled problems]",
)
@click.option("--score", is_flag=True, help="Load TEACHER and take its own rows of the texts.")
@click.option(
    "--responses",
    default=10_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Texts that bytes and hours are given for.",
)
@click.option(
    "--page",
    type=NEW_FILE,
    default=None,
    help="Also write everything as an HTML page.  [default: no page]",
)
@as_json_option
def pair(
    teacher: str,
    student: str,
    texts: Path | None,
    score: bool,
    responses: int,
    page: Path | None,
    as_json: bool,
) -> None:
    """Forecast what STUDENT's vocabulary keeps of TEACHER's distributions, before a dump.

    TEACHER is a tokenizer (its rows are then simulated: the five best tokens hold .92), a store of
    responses, or, with --score, a model whose rows are measured.
    """
    from time import process_time

    from specialize.pairs import evidence
    from specialize.pairs.cautions import Widths, width_of
    from specialize.pairs.stage import judge, specials_table, table
    from specialize.store import Store
    from specialize.tokens import load_tokenizer

    if page is not None and page.exists():
        raise ConfigurationError(f"{page} is there already; name a new file or remove it first")
    learner = load_tokenizer(student)
    if is_address(teacher) or (Path(teacher) / "store.json").is_file():
        found = evidence.read(Store.open(teacher))
    elif score:
        from specialize.teacher.local.teacher import load_teacher

        found = evidence.score(load_teacher(teacher), _given(texts), process_time)
    else:
        found = evidence.assume(load_tokenizer(teacher), _given(texts))
    widths = Widths(width_of(teacher), width_of(student))
    judged = judge(found, learner, responses=responses, widths=widths)
    if page is not None:
        from specialize.inspection.pair_page import write_pair_page

        write_pair_page(judged, page)
    tables = {"k": f"\n{table(judged)}", "specials": f"\n{specials_table(judged)}"}
    print_result(judged if as_json else {**judged, **tables}, as_json)


def _given(path: Path | None) -> list[Given]:
    from specialize.pairs.evidence import Given

    if path is None:
        from specialize.formats import by_name
        from specialize.quickstart import world

        form = by_name("zero-shot-cot")
        return [
            Given(form.target(one.rationale or "", one.answer), str(form.prompt(one)))
            for one in world.examples(world.FAMILIES[0], "train", _WORLD)
        ]
    from specialize.datasets.reading import text_field
    from specialize.datasets.tables import records_of

    return [
        Given(
            text_field(record, "text", where),
            text_field(record, "prompt", where) if record.get("prompt") else "",
        )
        for where, record in records_of(path, expected="texts with the field text")
    ]
