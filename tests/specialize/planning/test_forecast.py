"""What stages will take: servers' limits, devices, processes, money, and what holds up a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.config.recipe import Recipe
from specialize.io.times import Took
from specialize.planning import forecast as module
from specialize.planning.figures import Divided, Figures, Rate, Spent, TeacherFigures
from specialize.planning.forecast import forecast, limiting, relief
from specialize.planning.work import Stage
from tests.support import toys

DUMP = Stage(
    "dump toy", 100, "responses", 1000, tokens_read=5000, tokens=1000, requests=50, parts=4
)


def recipe(**server: object) -> Recipe:
    served = {"kind": "vllm", "urls": ["http://h:1"], **server}
    model: dict[str, object] = {"model": "m", **({"server": served} if server else {})}
    return toys.toy_recipe(Path("w"), teachers={"toy": model})


def figures(**more: object) -> Figures:
    own = {"toy": {"rate": {"per_second": 100}}, **more.pop("teachers", {})}  # type: ignore[dict-item]
    return Figures.model_validate({"teachers": own, **more})


@pytest.mark.parametrize(
    ("limits", "seconds", "bound"),
    [
        ({"concurrency": 4}, 10, "device"),
        ({"requests_per_minute": 100}, 30, "requests a minute"),
        ({"requests_per_minute": 600}, 10, "device"),
        ({"tokens_per_minute": 6000}, 60, "tokens a minute"),
        ({"tokens_per_minute": 6000, "requests_per_minute": 10}, 300, "requests a minute"),
    ],
)
def test_a_server_is_as_fast_as_its_lowest_limit(
    limits: dict[str, object], seconds: float, bound: str
) -> None:
    made = forecast(recipe(**limits), [DUMP], figures())[0]
    assert made.took is not None
    assert (made.took.seconds, made.bound) == (pytest.approx(seconds), bound)
    assert "server." in relief(recipe(**limits), made)


def test_money_of_tokens_and_of_devices() -> None:
    prices = {"price_per_million_input_tokens": 2, "price_per_million_output_tokens": 6}
    teachers = {"toy": {"rate": {"per_second": 100}, **prices}}
    served = forecast(recipe(concurrency=2), [DUMP], figures(teachers=teachers))[0]
    assert served.money == pytest.approx((5000 * 2 + 1000 * 6) / 1e6)
    here = forecast(recipe(), [DUMP], figures(price_per_device_hour=36, devices=2))[0]
    assert here.took == Took(5.0, 0.0)
    assert here.money == pytest.approx(5 * 2 * 36 / 3600)


def test_no_more_devices_than_parts_and_each_starts() -> None:
    rate = Rate(seconds=1, start_seconds=10, processor=Spent(seconds=2, start_seconds=20))
    own = Figures(teachers={"toy": TeacherFigures(rate=rate)}, devices=64)
    made = forecast(recipe(), [DUMP], own)[0]
    assert made.took == Took(10 + 1000 / 4, 4 * 20 + 2000)


@pytest.mark.parametrize(("busy", "faster"), [(1.0, 2.0), (1.6, 1.25), (2.0, 1.0), (0.4, 2.0)])
def test_processes_help_as_far_as_cores_are_free(
    monkeypatch: pytest.MonkeyPatch, busy: float, faster: float
) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    rate = Rate(seconds=1, processor=Spent(seconds=busy))
    own = Figures(teachers={"toy": TeacherFigures(rate=rate)})
    made = forecast(recipe(), [DUMP], own, processes=2)[0]
    assert made.took is not None
    assert made.took.seconds == pytest.approx(1000 / faster)
    assert made.took.processor_seconds == pytest.approx(1000 * busy)


def test_every_process_imports_what_the_first_stage_did() -> None:
    stage = Stage("evaluate", 8, "answers", 8, parts=8)
    own = Figures(
        teachers={"toy": TeacherFigures(rate=Rate(seconds=1, start_seconds=30))},
        evaluate=Rate(seconds=1, start_seconds=2),
    )
    one, two = (forecast(recipe(), [stage], own, processes=n)[0].took for n in (1, 2))
    assert one == Took(2 + 8, 0.0)
    assert two is not None
    assert two.seconds == pytest.approx(30 + 8 / 2)


def test_the_process_with_most_shards_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two shards, of which the second has an eighth of the first's responses."""
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    stage = Stage("dump toy", 576, "responses", 576, parts=2, part_items=512)
    rate = Rate(seconds=0.5, processor=Spent(seconds=1))
    own = Figures(teachers={"toy": TeacherFigures(rate=rate)})
    assert forecast(recipe(), [stage], own, processes=2)[0].took == Took(512, 576)


@pytest.mark.parametrize(
    ("processes", "cores", "seconds", "processor"),
    [
        (1, 2, 5, 7),
        (2, 2, 20, 24),
        (3, 2, 30, 36),
        (4, 2, 40, 48),
        (4, 4, 20, 48),
        (4, 3, 80 / 3, 48),
    ],
)
def test_a_measured_start_is_that_of_every_process(
    monkeypatch: pytest.MonkeyPatch, processes: int, cores: int, seconds: float, processor: float
) -> None:
    """It was measured with two."""
    monkeypatch.setattr(module, "usable_cores", lambda: cores)
    once = {"seconds": 1e-9, "start_seconds": 5, "processor": Spent(seconds=0, start_seconds=7)}
    rate = Rate.model_validate(
        {**once, "divided": Divided(processes=2, seconds=20, processor_seconds=24)}
    )
    own = Figures(teachers={"toy": TeacherFigures(rate=rate)}, train=rate)
    stages = [DUMP, Stage("train", 4, "steps", 4)]
    dump, train = (each.took for each in forecast(recipe(), stages, own, processes=processes))
    assert dump is not None
    assert dump.seconds == pytest.approx(seconds, abs=1e-5)
    assert dump.processor_seconds == processor
    assert train is not None
    assert train.seconds == pytest.approx(5 if processes == 1 else 20, abs=1e-5)
    assert train.processor_seconds == (7 if processes == 1 else 24)  # however many dumped before


def test_every_process_loads_every_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    stage = Stage("evaluate", 80, "answers", 80, loads=4, parts=20)
    rate = Rate(seconds=1, load_seconds=3, processor=Spent(seconds=1, load_seconds=3))
    made = forecast(recipe(), [stage], Figures(evaluate=rate), processes=2)[0]
    assert made.took == Took(80 / 2 + 4 * 3, 80 + 2 * 4 * 3)


def test_what_holds_up_a_run() -> None:
    stages = [Stage(name, 1, "", 1) for name in ("rows", "train", "evaluate", "report")]
    own = Figures(
        rows=Rate(seconds=1), train=Rate(seconds=60), evaluate=Rate(seconds=30)
    )  # nothing is known of the report
    made = forecast(recipe(), stages, own)
    assert made[-1].took is None
    assert [each.stage.name for each in limiting(made)] == ["train", "evaluate"]
    assert "checkpoint_every" in relief(recipe(), made[2])
