"""Nothing that a recipe names runs or is sent before the user said so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from specialize import datasets
from specialize.cli.stages import cli
from specialize.config import trust
from specialize.config.recipe import Server
from specialize.errors import ConfigurationError

SET = """
from specialize.records import Example
KIND = "number"
def read(path, split):
    return [Example(id="mine/0", question="1 + 1?", answer="2")]
"""


@pytest.fixture(autouse=True)
def own_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SPECIALIZE_TRUST", str(tmp_path / "home" / "trust.json"))
    trust.revoke()
    yield
    trust.revoke()


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A set's file that leaves a mark when it is run."""
    path = tmp_path / "trap.py"
    path.write_text(SET + f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    return path


def test_a_file_nobody_named_is_not_run(tmp_path: Path, trap: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"trap\.py would run as code.*--allow-code"):
        datasets.load(str(trap), tmp_path)
    with pytest.raises(ConfigurationError, match="would run as code"):
        datasets.kind_of(str(trap))
    assert not (tmp_path / "ran").exists()


def test_an_argument_that_names_it_lets_it_run(tmp_path: Path, trap: Path) -> None:
    done = CliRunner().invoke(cli, ["data", str(trap), str(tmp_path)], catch_exceptions=False)
    assert "1 examples" in done.output
    assert (tmp_path / "ran").exists()
    assert not trust.trust_file().exists()  # naming it is for this command alone


def test_what_was_allowed_is_remembered_by_its_bytes(tmp_path: Path, trap: Path) -> None:
    trust.allow_all_code()
    trust.check_code(trap)
    trust.revoke()
    trust.check_code(trap)  # remembered
    copy = tmp_path / "copy.py"
    copy.write_bytes(trap.read_bytes())
    trust.check_code(copy)  # the same bytes elsewhere
    trap.write_text(trap.read_text() + "# changed\n")
    with pytest.raises(ConfigurationError, match="would run as code"):
        trust.check_code(trap)


def test_a_models_own_code_needs_a_word_too() -> None:
    with pytest.raises(ConfigurationError, match="the code of the model someone/model"):
        trust.check_remote_code("someone/model", "a" * 40)
    trust.allow_model_code("someone/model")
    trust.check_remote_code("someone/model", "a" * 40)


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("OPENAI_API_KEY", "https://evil.example/v1"),
        ("HF_TOKEN", "https://api.openai.com"),
        ("OPENAI_API_KEY", "https://api.openai.com.evil.example"),
        ("OPENAI_API_KEY", "https://evil.example/api.openai.com"),
        ("OPENAI_API_KEY", "http://127.0.0.1:8000"),
    ],
)
def test_a_key_goes_only_where_it_was_listed(variable: str, url: str) -> None:
    trust.allow_key("OPENAI_API_KEY", "api.openai.com")
    trust.check_key("OPENAI_API_KEY", "https://api.openai.com/v1")
    trust.check_key("OPENAI_API_KEY", "https://API.openai.com:443")
    with pytest.raises(ConfigurationError, match=f"asks to send {variable} to .*--send-key"):
        trust.check_key(variable, url)


def test_the_users_file_lists_keys(tmp_path: Path) -> None:
    path = trust.trust_file()
    path.parent.mkdir()
    entry = {"variable": "TEAM_KEY", "host": "gpu1.lan"}
    path.write_text(json.dumps({"keys": [entry]}))
    trust.check_key("TEAM_KEY", "http://gpu1.lan:8000")
    with pytest.raises(ConfigurationError, match=r"to gpu2\.lan"):
        trust.check_key("TEAM_KEY", "http://gpu2.lan:8000")
    path.write_text('{"keys": [{"variable": "X"}]}')
    with pytest.raises(ConfigurationError, match=r"trust\.json"):
        trust.check_key("TEAM_KEY", "http://gpu1.lan:8000")


@pytest.mark.parametrize("name", ["PATH", "HOME", "AWS_SECRET_ACCESS", "sk-abc", "my_key", "KEY"])
def test_a_recipe_may_name_keys_and_tokens_only(name: str) -> None:
    with pytest.raises(ValueError, match="ends in _KEY or _TOKEN"):
        Server(kind="vllm", urls=("http://host",), key_variable=name)


@pytest.mark.parametrize("pair", ["X_KEY", "=host", "X_KEY=", ""])
def test_a_pair_is_written_with_an_equals_sign(pair: str, tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: x\n")
    done = CliRunner().invoke(cli, ["run", str(recipe), "--out", "o", "--send-key", pair])
    assert done.exit_code == 2
    assert "VARIABLE=HOST" in done.output
