"""A student with another vocabulary: what its tokens begin as, and that it can be trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from click.testing import CliRunner

from align.pieces import CHARACTER_OF
from scripts.build import remake_vocabulary as script
from specialize.students.student import load_model, load_student
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.toys import EOS, PAD, write_tokenizer


def test_tokens_begin_as_the_mean_of_their_text(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "vocabulary")
    made = tmp_path / "made"
    asked = [str(toys.gpt2()), str(tmp_path / "vocabulary"), str(made)]
    for says in ("million weights", "is there already"):
        done = CliRunner().invoke(script.main, asked, catch_exceptions=False)
        assert (done.exit_code, says in done.output) == (0, True)
    own, other = load_tokenizer(toys.gpt2()), load_tokenizer(made)
    assert other.fingerprint == load_tokenizer(tmp_path / "vocabulary").fingerprint
    before, after = load_model(toys.gpt2()), load_model(made)
    old, new = (model.get_input_embeddings().weight for model in (before, after))
    assert len(new) == other.size
    [many] = other.encode("many")
    pieces = own.encode(" many")
    assert len(pieces) > 1
    torch.testing.assert_close(new[many], old[pieces].mean(0))
    torch.testing.assert_close(new[EOS], old[: own.size].mean(0))
    kept = {name: w for name, w in before.state_dict().items() if len(w) != len(old)}
    assert kept
    for name, weight in kept.items():
        torch.testing.assert_close(after.state_dict()[name], weight)
    assert (after.config.eos_token_id, after.config.pad_token_id) == (EOS, PAD)
    assert load_student(made, other).shape.vocabulary == other.size


def test_a_llama_reads_with_the_pair_of_files_of_gpt2(tmp_path: Path) -> None:
    """Which do not say how a text is split: what its own family says would not fit."""
    pair = tmp_path / "gpt2"
    pair.mkdir()
    letters = sorted(CHARACTER_OF.values())
    ids = {token: number for number, token in enumerate([*letters, "ab", "<|endoftext|>"])}
    (pair / "encoder.json").write_text(json.dumps(ids))
    (pair / "vocab.bpe").write_text("#version: 0.2\na b\n")
    tied = tmp_path / "llama"
    shutil.copytree(toys.llama(), tied)
    config = json.loads((tied / "config.json").read_text())
    (tied / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    asked = [str(tied), str(pair), str(tmp_path / "made")]
    done = CliRunner().invoke(script.main, asked, catch_exceptions=False)
    assert done.exit_code == 0
    assert load_tokenizer(tmp_path / "made").fingerprint == load_tokenizer(pair).fingerprint
