"""Sets of the hub, read through a local stand-in for the library, with the hub's columns."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from specialize import datasets
from specialize.datasets import hub as module
from specialize.datasets.sets.asdiv import PROBLEMS
from specialize.errors import ConfigurationError, InputError

Row = dict[str, object]
ROWS: dict[tuple[str, str | None, str], list[Row]] = {
    ("openai/gsm8k", "main", "test"): [{"question": "How many?", "answer": "<<1+1=2>>2.\n#### 2"}],
    ("ChilleD/SVAMP", None, "train"): [
        {"ID": "chal-10", "Body": "He has 3", "Question": "How many?", "Answer": "145.0"},
        {"ID": "chal-2", "Body": "He has 4", "Question": "How many?", "Answer": "4"},
    ],
    ("ChilleD/SVAMP", None, "test"): [
        {"ID": "chal-1", "Body": "He has 5", "Question": "How many?", "Answer": "5.0"}
    ],
    ("EleutherAI/asdiv", None, "validation"): [
        {"body": "Seven.", "question": "How many?", "answer": "9 (apples)"}
    ],
    ("ChilleD/MultiArith", None, "train"): [{"question": "How many?", "final_ans": "39"}],
    ("ChilleD/MultiArith", None, "test"): [{"question": "How much?", "final_ans": "40"}],
} | {
    ("lukaemon/bbh", task, "test"): [{"input": f"Do {task}?", "target": "(A)"}]
    for task in datasets.BBH_TASKS
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | None], None]:
    """Puts a stand-in for the library in place; it serves ``ROWS``, or raises."""

    def install(failure: Exception | None = None) -> None:
        def load_dataset(hub_id: str, config: str | None = None, *, split: str) -> list[Row]:
            if failure is not None:
                raise failure
            return ROWS[hub_id, config, split]

        library = ModuleType("datasets")
        library.config = SimpleNamespace(  # type: ignore[attr-defined]
            HF_HUB_OFFLINE=False, HF_ENDPOINT="http://hub.invalid"
        )
        monkeypatch.setattr(module, "_answers", lambda _endpoint: True)
        library.load_dataset = load_dataset  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "datasets", library)

    return install


def test_sets_of_the_hub(hub: Callable[..., None]) -> None:
    hub()
    (gsm8k,) = datasets.load("gsm8k", split="test")
    assert (gsm8k.id, gsm8k.rationale, gsm8k.answer) == ("gsm8k/test/00000", "2.", "2")
    svamp = datasets.load("svamp")
    assert [(e.id, e.answer) for e in svamp] == [
        ("svamp/chal-1", "5"),
        ("svamp/chal-2", "4"),
        ("svamp/chal-10", "145"),
    ]
    assert svamp[0].question == "He has 5. How many?"
    assert [e.id for e in datasets.load("svamp", split="test")] == ["svamp/chal-1"]
    multiarith = [(e.id, e.answer) for e in datasets.load("multiarith")]
    assert multiarith == [("multiarith/train/00000", "39"), ("multiarith/test/00000", "40")]
    bbh = datasets.load("bbh")
    assert [e.task for e in bbh] == list(datasets.BBH_TASKS)
    assert bbh[0].id == "bbh/boolean_expressions/00000"


def test_ids_of_asdiv_need_the_whole_set(
    hub: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub()
    assert datasets.load("asdiv")[0].id == "asdiv/validation/00000"
    key = ("EleutherAI/asdiv", None, "validation")
    monkeypatch.setitem(ROWS, key, ROWS[key] * PROBLEMS)
    whole = datasets.load("asdiv")
    assert (whole[0].id, whole[-1].id) == ("asdiv/nluds-0001", "asdiv/nluds-2305")


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionError("no route"),
        FileNotFoundError("none"),
        ValueError("bad config"),
        RuntimeError("scripts\nmore"),
    ],
)
def test_an_unreachable_hub_is_one_line(hub: Callable[..., None], failure: Exception) -> None:
    hub(failure)
    message = "ChilleD/SVAMP cannot be read from the hub .*; give the published file as path"
    with pytest.raises(InputError, match=message) as caught:
        datasets.load("svamp")
    assert "\n" not in str(caught.value)


def test_splits_of_the_hub_are_checked(hub: Callable[..., None]) -> None:
    hub()
    with pytest.raises(ConfigurationError, match="openai/gsm8k has the splits train, test; name"):
        datasets.load("gsm8k")
    with pytest.raises(ConfigurationError, match="EleutherAI/asdiv has no split 'test'; its split"):
        datasets.load("asdiv", split="test")
    with pytest.raises(
        ConfigurationError, match="'jsonl' is not on the hub; give its file as path"
    ):
        datasets.load("jsonl")


def test_rows_of_the_hub_are_checked(
    hub: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub()
    monkeypatch.setitem(ROWS, ("openai/gsm8k", "main", "test"), [{"question": "a"}])
    with pytest.raises(InputError, match="openai/gsm8k/main, split test, row 0: no field 'answer'"):
        datasets.load("gsm8k", split="test")
    monkeypatch.setitem(ROWS, ("ChilleD/SVAMP", None, "train"), [{"ID": "x"}])
    with pytest.raises(InputError, match="ID 'x' is not of the form chal-1"):
        datasets.load("svamp")


class Refusing(BaseHTTPRequestHandler):
    """A hub that answers, though not kindly."""

    def do_HEAD(self) -> None:
        self.send_error(403)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


def test_whether_the_hub_answers() -> None:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert module._answers(address)
        server.shutdown()
    module._answers.cache_clear()
    assert not module._answers(address)
    assert not module._answers("no address")


def test_without_a_network_nothing_is_tried_again(
    hub: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub(ConnectionError("OfflineModeIsEnabled"))
    monkeypatch.setattr(module, "_answers", lambda _endpoint: False)
    message = "svamp.* hub .no connection to http://hub.invalid, and the set is not in the cache.;"
    with pytest.raises(InputError, match=f"(?i){message}"):
        datasets.load("svamp")
    assert sys.modules["datasets"].config.HF_HUB_OFFLINE


@pytest.mark.slow
def test_one_line_without_a_network(tmp_path: Path) -> None:
    nowhere = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "specialize", "data", "gsm8k", "--split", "test"],
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 3
    assert done.stderr == (
        "error: openai/gsm8k cannot be read from the hub (no connection to http://127.0.0.1:9, and "
        "the set is not in the cache); give the published file as path instead\n"
    )
