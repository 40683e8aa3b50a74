"""Code that comes with a model runs only where it was asked for, at a commit, and that is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from transformers import dynamic_module_utils

from specialize.config.recipe import Teacher as TeacherSettings
from specialize.errors import ConfigurationError, InputError
from specialize.store import Store
from specialize.teacher.dump import dump
from specialize.teacher.local.load import _weights_digest, load_model
from specialize.teacher.local.teacher import load_teacher
from tests.support import teacher_toys as toys

CONFIGURATION = """
from pathlib import Path
from transformers import GPT2Config
Path({canary!r}).touch()
class OwnConfig(GPT2Config):
    model_type = "own-model"
"""
MODEL = """
from transformers import GPT2LMHeadModel
from .configuration import OwnConfig
class OwnModel(GPT2LMHeadModel):
    config_class = OwnConfig
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A GPT-2 that brings its own code, which leaves a file when it is run."""
    path = tmp_path / "own"
    shutil.copytree(toys.gpt2(), path)
    config = json.loads((path / "config.json").read_text())
    config |= {
        "model_type": "own-model",
        "auto_map": {
            "AutoConfig": "configuration.OwnConfig", "AutoModelForCausalLM": "model.OwnModel"
        },
    }  # fmt: skip
    (path / "config.json").write_text(json.dumps(config))
    (path / "configuration.py").write_text(CONFIGURATION.format(canary=str(tmp_path / "canary")))
    (path / "model.py").write_text(MODEL)
    return path


def test_nothing_runs_unasked(own: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no model that can be read"):
        load_model(str(own))
    assert not (tmp_path / "canary").exists()


def test_it_runs_where_it_is_asked_for_and_that_is_recorded(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    settings = TeacherSettings(mode="score", trust_remote_code=True)
    teacher = load_teacher(str(own), device="cpu", trust_remote_code=True)
    dump(teacher, toys.examples(2), tmp_path / "store", settings)
    assert (tmp_path / "canary").exists()
    about = Store.open(tmp_path / "store").description
    assert about.settings["trust_remote_code"] is True
    assert about.revision.startswith("xxh3:")


@pytest.mark.parametrize("revision", [None, "main", "v1.0", "abc123", "A" * 40])
def test_a_repository_needs_its_commit(revision: str | None) -> None:
    with pytest.raises(ConfigurationError, match=r"give the full commit \(40 hexadecimal digits\)"):
        load_model("somebody/model", revision=revision, trust_remote_code=True)


def test_the_code_is_part_of_the_digest(own: Path) -> None:
    before = _weights_digest(own)
    (own / "model.py").write_text(MODEL + "# changed\n")
    assert _weights_digest(own) != before
