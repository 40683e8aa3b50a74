"""The marks of thinking in published templates, and their ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.errors import InputError
from specialize.records import Json
from specialize.tokens import load_tokenizer
from specialize.tokens.chat_template import ChatTemplate
from specialize.tokens.thinking_tags import ThinkingTags, refuse_unknown, tag_ids, thinking_tags
from tests.support import chat_families

THINK = ("<think>\n", "\n</think>\n\n")
CHANNELS = (
    "<|channel|>analysis<|message|>",
    "<|end|><|start|>assistant<|channel|>final<|message|>",
)


def template_of(name: str) -> ChatTemplate:
    family = chat_families.FAMILIES[name]
    source = (chat_families.TEMPLATES / f"{name}.jinja").read_text()
    return ChatTemplate(source, {"bos_token": family.bos, "eos_token": family.eos})


@pytest.mark.parametrize(
    ("name", "arguments", "tags", "prompt"),
    [
        ("qwen3", {}, THINK, ""),
        ("qwen3", {"enable_thinking": False}, THINK, "closed"),
        ("smollm3", {}, THINK, ""),
        ("smollm3", {"enable_thinking": False}, THINK, "closed"),
        ("granite3_3", {}, THINK, ""),
        ("deepseek_r1_distil", {"enable_thinking": True}, THINK, "opened"),
        ("deepseek_v3_1", {}, THINK, "closed"),
        ("deepseek_v3_1", {"thinking": True}, THINK, "opened"),
        ("gpt_oss", {}, CHANNELS, ""),
        *((name, {}, None, "") for name in ("qwen2_5", "smollm2", "llama3", "gemma2", "gemma3")),
        *((name, {}, None, "") for name in ("mistral_v3", "mistral_v7", "phi3_5")),
    ],
)
def test_marks_of_published_templates(
    name: str, arguments: dict[str, Json], tags: tuple[str, str] | None, prompt: str
) -> None:
    found = thinking_tags(template_of(name), {"strftime_now": "2026-01-31", **arguments})
    if tags is None:
        assert found is None
    else:
        assert found == ThinkingTags(*tags, prompt == "opened", prompt == "closed")


@pytest.mark.parametrize("name", ["qwen3", "gpt_oss", "deepseek_r1_distil"])
def test_marks_are_the_control_tokens_that_they_name(name: str, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(chat_families.write_family(tmp_path / "model", name))
    tags = THINK if name != "gpt_oss" else CHANNELS
    family = chat_families.FAMILIES[name]
    control = {*family.special, *family.plain}
    for tag in tags:
        ids = tag_ids(tokenizer, tag)
        named = [part for part in control if part in tag]
        written = {name: i for i, name in tokenizer._definition.written.items()}
        assert sorted(token for token in ids if token in {written[n] for n in control}) == sorted(
            written[part] for part in named for _ in range(tag.count(part))
        )
        assert named


def test_a_template_that_opens_its_thinking_itself() -> None:
    """Its own last mark before the thinking is the opening."""
    source = (
        "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}<t> "
        "{{ m.thinking }} </t>{% endif %}{{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]<t> {% endif %}"
    )
    found = thinking_tags(ChatTemplate(source))
    assert found is not None
    assert found.opened
    assert (found.opening.strip()[-3:], found.closing) == ("<t>", " </t>")


def test_what_cannot_hold_thinking_is_refused(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(chat_families.write_family(tmp_path / "model", "qwen3"))
    with pytest.raises(InputError, match=r"keep, but the chat template of .* has no marks"):
        refuse_unknown(tokenizer, None, "keep")
    with pytest.raises(InputError, match="an empty block of thinking into its prompt"):
        refuse_unknown(tokenizer, ThinkingTags(*THINK, opened=False, closed=True), "keep")
    tags = ThinkingTags(*THINK, opened=True, closed=False)
    assert refuse_unknown(tokenizer, tags, "train") is tags
