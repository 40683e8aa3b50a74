"""The file of figures: what is read, what is refused, and that a pilot's comes back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.errors import ConfigurationError
from specialize.io.times import Took
from specialize.planning.figures import (
    Answered,
    Divided,
    Figures,
    Rate,
    Spent,
    TeacherFigures,
    read_figures,
    write_figures,
)


@pytest.mark.parametrize("name", ["figures.yaml", "figures.json"])
def test_it_comes_back(tmp_path: Path, name: str) -> None:
    figures = Figures(
        teachers={"a": TeacherFigures(rate=Rate(per_second=50), response_tokens=12.5)},
        train=Rate(seconds=1e-7, processor=Spent(seconds=2e-7)),
        evaluate=Rate(seconds=1, divided=Divided(processes=2, seconds=4, processor_seconds=7)),
        answers={"toy/zero-shot-cot": Answered(before=1, after=2)},
        price_per_device_hour=2,
    )
    write_figures(figures, tmp_path / name)
    assert read_figures(tmp_path / name) == figures


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("train: {}", "train: give either seconds, of a unit, or per_second"),
        ("train: {seconds: 1, per_second: 1}", "train: give either seconds"),
        ("train: {seconds: -1}", "train.seconds: Input should be greater than 0, got -1"),
        ("speed: 3", "unknown key 'speed'"),
        ("trian: {seconds: 1}", "unknown key 'trian'; did you mean 'train'?"),
        ("train: {second: 1}", "unknown key 'train.second'; did you mean 'seconds'?"),
        ("price_per_device_hour: -2", "Input should be greater than or equal to 0, got -2"),
        ("devices: 0", "devices: Input should be greater"),
        ("[1]", "must be a mapping of keys, got list"),
        ("", "must be a mapping of keys, got NoneType"),
        ("a: b: c", "it is not YAML"),
    ],
)
def test_what_it_refuses(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "f.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"figures .*f\.yaml") as refused:
        read_figures(tmp_path / "f.yaml")
    assert says in str(refused.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_figures(tmp_path / "missing.yaml")
    (tmp_path / "f.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        read_figures(tmp_path / "f.yaml")


def test_a_rate_multiplies() -> None:
    rate = Rate(per_second=4, start_seconds=10, load_seconds=3)
    assert rate.took(8, loads=2) == Took(10 + 6 + 2, 0.0)
    both = Rate(seconds=2, processor=Spent(seconds=3, start_seconds=1, load_seconds=5))
    assert both.took(4, loads=1) == Took(8, 1 + 5 + 12)
