"""Every id that ends a text: of the tokenizer, the generation configuration, the chat template."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specialize.errors import InputError
from specialize.tokens import load_tokenizer
from specialize.tokens.chat_template import ChatTemplate
from specialize.tokens.ends import configured_ends, template_end
from tests.support import teacher_toys as toys

NAMES = {
    "</s>": 2, "<eos>": 1, "<|eot_id|>": 9, "<|eom_id|>": 8, "<end_of_turn>": 7, "<|im_end|>": 6,
    "<|end|>": 5, "<|start_header_id|>": 10, "<|im_start|>": 11, "<start_of_turn>": 12,
    "<|endoftext|>": 0, "[/INST]": 13, "<｜end▁of▁sentence｜>": 14, "<|assistant|>": 15,
}  # fmt: skip
EACH = "{% for m in messages %}"
DONE = "{% endfor %}"
TEMPLATES = [
    (EACH + "<|im_start|>{{ m.role }}\n{{ m['content'] }}<|im_end|>\n" + DONE, 0, 6),
    (
        EACH + "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
        "{{ m.content | trim }}<|eot_id|>" + DONE,
        0,
        9,
    ),
    (EACH + "<start_of_turn>{{ m.role }}\n{{ m.content }}<end_of_turn>\n" + DONE, 1, 7),
    (
        EACH + "{% if m.role == 'user' %}[INST] {{ m.content }}[/INST]"
        "{% else %} {{ m.content }}{{ eos_token }}{% endif %}" + DONE,
        2,
        2,
    ),
    (
        EACH + "{% if loop.last %}{{ m.content + '<｜end▁of▁sentence｜>' }}{% endif %}" + DONE,
        2,
        14,
    ),
    (
        EACH + "{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}" + DONE + "<|endoftext|>",
        0,
        5,
    ),
    (EACH + "{{ m.role }}: {{ m.content }}\n" + DONE, 0, None),  # no token at all
    ("{{ raise_exception('roles must alternate') }}", 0, None),
    ("{% for m in messages %}{{ m.content", 0, None),
    ("{{ messages.__class__.__mro__ }}", 0, None),
    (EACH + "{{ m.content }}" + DONE + "{{ [].append(1) }}", 0, None),
    ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", 0, None),
    ("{% set x = 'a' %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}<|im_end|>", 0, None),
    (EACH + "{% if m.role == 'system' %}{{ m.content }}<|eom_id|>{% endif %}" + DONE, 0, None),
]


@pytest.mark.parametrize(("template", "eos", "end"), TEMPLATES)
def test_a_template_shows_what_ends_the_assistants_words(
    template: str, eos: int, end: int | None
) -> None:
    names = {"eos_token": next(name for name, token in NAMES.items() if token == eos)}
    assert template_end(ChatTemplate(template, names), NAMES) == end


@pytest.mark.parametrize(
    ("files", "ends"),
    [
        ({}, []),
        ({"generation_config": {"eos_token_id": 3}}, [3]),
        ({"generation_config": {"eos_token_id": [3, 8, 9]}}, [3, 8, 9]),
        ({"generation_config": {"eos_token_id": [3]}, "config": {"eos_token_id": 4}}, [3]),
        ({"generation_config": {"eos_token_id": None}, "config": {"eos_token_id": [4, 5]}}, [4, 5]),
        ({"config": {"text_config": {"eos_token_id": 6}}}, [6]),
        ({"config": {"eos_token_id": 0}}, [0]),
        ({"config": {"eos_token_id": True}}, []),
        ({"generation_config": {"eos_token_id": []}}, []),
    ],
)
def test_configurations(files: dict[str, object], ends: list[int], tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert configured_ends(tmp_path) == ends


def test_a_loaded_tokenizer_has_all_ends(tmp_path: Path) -> None:
    toys.byte_level(tmp_path, turns=True)
    tokenizer = load_tokenizer(tmp_path)
    end, turn = tokenizer.eos, tokenizer.special_tokens()["<end_of_turn>"]
    assert end is not None
    assert tokenizer.ends == (end,)
    (tmp_path / "generation_config.json").write_text(f'{{"eos_token_id": [5, {end}]}}')
    assert load_tokenizer(tmp_path).ends == (end, 5)
    template = "{% for m in messages %}{{ m.content }}<end_of_turn>{% endfor %}"
    (tmp_path / "chat_template.jinja").write_text(template)
    assert load_tokenizer(tmp_path).ends == (end, 5, turn)
    (tmp_path / "chat_template.jinja").unlink()
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    named = [{"name": "tools", "template": ""}, {"name": "default", "template": template}]
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({**settings, "chat_template": named})
    )
    assert load_tokenizer(tmp_path).ends == (end, 5, turn)
    assert load_tokenizer(tmp_path).fingerprint == tokenizer.fingerprint
    (tmp_path / "generation_config.json").write_text("{")
    with pytest.raises(InputError, match=r"generation_config\.json is not JSON"):
        load_tokenizer(tmp_path)


def test_the_only_end_is_that_of_the_configuration(tmp_path: Path) -> None:
    toys.byte_level(tmp_path, turns=True)
    turn = load_tokenizer(tmp_path).special_tokens()["<end_of_turn>"]
    (tmp_path / "tokenizer_config.json").write_text("{}")
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    for token in content["added_tokens"]:
        token["special"] = token["content"] == "<end_of_turn>"
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert load_tokenizer(tmp_path).eos is None
    (tmp_path / "generation_config.json").write_text(f'{{"eos_token_id": [{turn}]}}')
    assert load_tokenizer(tmp_path).eos == turn
    assert load_tokenizer(tmp_path).ends == (turn,)
