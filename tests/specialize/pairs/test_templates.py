"""Templates that do not match: a sentence for each way, from published templates and made ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from specialize.pairs.templates import template_cautions
from specialize.tokens.chat_template import ChatTemplate
from tests.support.chat_families import family_tokenizer
from tests.support.sentences import unlike

MATCHES = {
    ("smollm2", "gemma2"): ["system prompt of its own where there is none, 'You are a helpful AI",
                            "the student's template refuses a system turn, the teacher's does not"],
    ("gemma2", "gemma3"): ["the teacher's template refuses a system turn"],
    ("llama3", "gemma3"): ["the teacher's template writes today's date: name the day",
                           "the teacher's template puts words of its own before every chat"],
    ("llama3", "llama3"): ["both templates write today's date"],
    ("qwen3", "phi4"): ["marks for thinking, the student's has none: leave chat.thinking"],
    ("qwen3", "deepseek_v3_1"): ["the student's prompt closes its thinking"],
    ("mistral_v3", "phi4"): [],
    ("qwen3", "qwen3"): [],
}  # fmt: skip
_TURNS = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
MADE = {
    "{{ messages[0].content }}": ["the student's template takes a single question"],
    "{% if messages[1:] %}{{ raise_exception('one') }}{% endif %}{{ messages[0].content }}": [
        "the student's template refuses a system turn",
        "the student's template takes a single question, the teacher's more",
    ],
    "{% for m in messages if m.role != 'system' %}{{ m.content }}\n{% endfor %}": [
        "the student's template leaves a system turn out, the teacher's does not"
    ],
    "{{ 1 / 0 }}": ["the student's template: the chat template [0-9a-f]+ cannot be rendered"],
    "{{ strftime_now('%Y') }}" + _TURNS: ["the student's template writes today's date"],
    "You must be kind to all, always.\n" + _TURNS: ["puts words of its own before every chat"],
    _TURNS + "<think>\n{# </think> #}": ["the student's prompt opens its thinking"],
    _TURNS: [],
}  # fmt: skip


@pytest.mark.parametrize(("teacher", "student"), MATCHES)
def test_published_templates(teacher: str, student: str) -> None:
    found = template_cautions(family_tokenizer(teacher), family_tokenizer(student))
    assert unlike(found, MATCHES[teacher, student]) == []


@pytest.mark.parametrize("source", MADE)
def test_made_templates(source: str) -> None:
    teacher = family_tokenizer("phi4")
    assert (
        unlike(
            template_cautions(teacher, replace(teacher, chat=ChatTemplate(source))), MADE[source]
        )
        == []
    )


@pytest.mark.parametrize("who", ["teacher", "student", "both", "store"])
def test_one_without_a_template(who: str) -> None:
    some = family_tokenizer("phi4")
    without = replace(some, chat=None)
    pair = {"teacher": (without, some), "student": (some, without), "both": (without, without),
            "store": (None, some)}[who]  # fmt: skip
    found = template_cautions(*pair)
    said = (
        [f"the {who} has none: ask the {who} in a format"] if who in ("teacher", "student") else []
    )
    assert unlike(found, said) == []
