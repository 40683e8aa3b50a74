"""A pruned student computes what the whole model without the other layers computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn
from transformers import AutoModelForCausalLM

from scripts.build import prune_layers as script
from specialize import datasets
from specialize.errors import ConfigurationError
from specialize.students.random_init import build_student
from specialize.students.student import load_model, load_student
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.toys import EOS, PAD, gpt2_config, t5_config, write_tokenizer

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def qwen_config(vocabulary: int) -> dict[str, object]:
    """Five layers, of which the last two look at 4 tokens only."""
    return {
        "model_type": "qwen2", "vocab_size": vocabulary, "hidden_size": 16,
        "intermediate_size": 32, "num_hidden_layers": 5, "num_attention_heads": 2,
        "num_key_value_heads": 1, "max_position_embeddings": 128, "tie_word_embeddings": True,
        "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 3,
        "pad_token_id": PAD, "bos_token_id": None, "eos_token_id": EOS,
    }  # fmt: skip


def written(folder: Path, kind: str) -> Path:
    tokenizer = write_tokenizer(folder / "tokenizer")
    (folder / "tokenizer" / "chat_template.jinja").write_text(TEMPLATE)
    config = {
        "gpt2": {**gpt2_config(tokenizer.size), "n_layer": 5},
        "qwen2": qwen_config(tokenizer.size),
        "t5": t5_config(tokenizer.size),
    }[kind]
    build_student(config, folder / "tokenizer", tokenizer, folder / kind, seed=3)
    return folder / kind


def run(*arguments: str) -> str:
    result = CliRunner().invoke(script.main, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize(("kind", "stack"), [("gpt2", "transformer.h"), ("qwen2", "model.layers")])
def test_logits_are_those_of_the_model_without_the_other_layers(
    tmp_path: Path, kind: str, stack: str
) -> None:
    whole, out = written(tmp_path, kind), tmp_path / "pruned"
    run(str(whole), str(out), "--layers", "0,2,4")

    expected = load_model(whole).eval()
    kept = nn.ModuleList(expected.get_submodule(stack)[i] for i in (0, 2, 4))
    for position, layer in enumerate(kept):
        assert isinstance(layer, nn.Module)
        for module in layer.modules():
            if "layer_idx" in vars(module):
                vars(module)["layer_idx"] = position
    parent, _, name = stack.rpartition(".")
    setattr(expected.get_submodule(parent), name, kept)
    expected.config.num_hidden_layers = 3
    if kind == "qwen2":
        expected.config.layer_types = ["full_attention", "full_attention", "sliding_attention"]
    found = load_model(out).eval()
    ids = torch.arange(3, 23)[None]
    with torch.no_grad():
        torch.testing.assert_close(found(ids).logits, expected(ids, use_cache=False).logits)


def test_tokenizer_and_template_are_the_models_own(tmp_path: Path) -> None:
    whole, out = written(tmp_path, "gpt2"), tmp_path / "pruned"
    assert "layers 0, 4 of 5: " in run(str(whole), str(out), "--keep", "2")
    assert load_tokenizer(out).fingerprint == load_tokenizer(whole).fingerprint
    assert (out / "chat_template.jinja").read_text() == TEMPLATE
    assert load_student(out, load_tokenizer(out)).shape.vocabulary == load_tokenizer(whole).size
    assert "is there already" in run(str(whole), str(out), "--keep", "3")


@pytest.mark.parametrize(
    ("count", "keep", "chosen"),
    [(30, 6, [0, 6, 12, 17, 23, 29]), (5, 5, [0, 1, 2, 3, 4]), (4, 2, [0, 3])],
)
def test_layers_are_evenly_spaced(count: int, keep: int, chosen: list[int]) -> None:
    assert script.evenly(count, keep) == chosen


def test_the_neighbours_go_that_the_texts_miss_least(tmp_path: Path) -> None:
    """Every place tried by hand, with the library's own loss, on what has solutions."""
    whole, out = written(tmp_path, "qwen2"), tmp_path / "dropped"
    solved = toys.examples(5)
    datasets.write_jsonl(tmp_path / "texts.jsonl", [replace(solved[4], rationale=""), *solved[:4]])
    said = run(str(whole), str(out), "--drop", "2", "--texts", str(tmp_path / "texts.jsonl"))
    tokenizer, nats = load_tokenizer(whole), {}
    for kept in ("0,3,4", "0,1,4"):
        run(str(whole), str(tmp_path / kept), "--layers", kept)
        model, nats[kept] = load_model(tmp_path / kept).eval(), 0.0
        for example in solved[:4]:
            ids = torch.tensor([tokenizer.encode(f"{example.question}\n{example.rationale}")])
            with torch.no_grad():
                nats[kept] += float(model(ids, labels=ids).loss) * (ids.shape[1] - 1)
    best = min(nats, key=nats.__getitem__)
    assert nats["0,3,4"] != pytest.approx(nats["0,1,4"], rel=1e-4)
    assert f"layers {best.replace(',', ', ')} of 5: " in said
    weights = [load_model(tmp_path / name).state_dict() for name in (best, "dropped")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_what_cannot_be_pruned_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot keep 6 of 5 layers; name 2 to 5"):
        script.evenly(5, 6)
    model = AutoModelForCausalLM.from_pretrained(written(tmp_path, "gpt2"))
    with pytest.raises(ConfigurationError, match=r"layer 5 is not there: name some of 0 to 4"):
        script.pruned(model, [0, 5])
    with pytest.raises(ConfigurationError, match="T5ForConditionalGeneration has"):
        script.stack_of(load_model(written(tmp_path / "other", "t5")))
    with pytest.raises(ConfigurationError, match="cannot drop 4 of 5 layers; name 1 to 3"):
        script.without_neighbours(model, 4, [])
    datasets.write_jsonl(tmp_path / "bare.jsonl", [replace(toys.examples(1)[0], rationale="")])
    with pytest.raises(ConfigurationError, match="has no example with a rationale"):
        script._solutions(str(tmp_path / "bare.jsonl"))
    for options, refused in (
        (["--layers", "0,x"], "--layers as numbers"),
        (["--layers", "0", "--keep", "3"], "one of --layers, --keep and --drop"),
        (["--drop", "3"], "--drop and --texts go together"),
    ):
        answer = CliRunner().invoke(script.main, ["m", str(tmp_path / "o"), *options])
        assert refused in answer.output
