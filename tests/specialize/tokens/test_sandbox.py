"""Templates of strangers come to an end: nothing is built or repeated beyond the allowance."""

from __future__ import annotations

import time

import pytest

from specialize.errors import InputError
from specialize.records import Message
from specialize.tokens.chat_template import ChatTemplate
from specialize.tokens.sandbox import TooMuchError, render

DOUBLED = "{%% set x = %s %%}%s"
AGAIN = "{%% set x = %s %%}"
MILLION = "{% set x = 'a' * 1000000 %}"
EACH = "{% for a in range(99999) %}"
ENDLESS = {
    "loops": EACH + EACH + "{% endfor %}{% endfor %}",
    "loops that skip": EACH
    + "{% for b in range(99999) if b > a + 99999 %}{% endfor %}{% endfor %}",
    "macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
    "{{ f(60) }}",
    "filters": EACH + "{% set x = range(99999)|sum %}{% endfor %}",
    "lazy filters": EACH + "{% set x = range(99999)|map('abs')|list %}{% endfor %}",
    "searches": EACH + "{% set x = 1.5 in range(99999) %}{% endfor %}",
    "a long text again and again": EACH + "x" * 10000 + "{% endfor %}",
    "doubling": DOUBLED % ("'a'", (AGAIN % "x ~ x") * 60),
    "adding": DOUBLED % ("'a'", (AGAIN % "x + x") * 60),
    "blocks": "{% set x %}ab{% endset %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60,
    "lists": DOUBLED % ("[1]", (AGAIN % "[x, x]") * 60) + "{{ x }}",
    "dictionaries": DOUBLED % ("{}", (AGAIN % "dict(a=x, b=x)") * 60) + "{{ x }}",
    "numbers": DOUBLED % ("3", (AGAIN % "x * x") * 60),
    "a power": "{{ (10 ** 6) ** (10 ** 5) }}",
    "a multiple": "{{ 'a' * 10 ** 11 }}",
    "a width": "{{ 'a'.center(10 ** 10) }}",
    "a width in a filter": "{{ 'a'|center(10000000000) }}",
    "a width in a form": "{{ '%1000000000d' % 1 }}",
    "a width that fills a form": "{{ '%*d' % (1000000000, 1) }}",
    "a width in a form, by name": "{{ '{:>{w}}'.format(1, w=1000000000) }}",
    "a replacement": MILLION + "{{ x.replace('a', x) }}",
    "a filter's replacement": MILLION + "{{ x|replace('a', x) }}",
    "joints": MILLION + "{{ x|join(x) }}",
    "wrapping": MILLION + "{{ x|wordwrap(1) }}",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_is_stopped(name: str) -> None:
    before = time.process_time()
    with pytest.raises(TooMuchError, match=r"without end|would build more|number of more than"):
        render(ENDLESS[name], {})
    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ ''.__class__ }}", "reads the attribute '__class__' of a str, which is closed"),
        ("{{ messages.__class__.__mro__ }}", "reads the attribute '__class__' of a list"),
        ("{% set n = namespace(_a=1) %}", "a namespace can hold no '_a'"),
        (
            "{{ raise_exception('no\nsystem\x1b[31m') }}",
            r"refuses messages of user: no system␛\[31m",
        ),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls itself too deeply"),
        ("{% include 'other' %}", "TypeError: no loader"),
        ("{% for %}", "TemplateSyntaxError"),
        ("{{ messages|shout }}", "TemplateAssertionError: No filter named 'shout'"),
        (
            "{% for t in tools %}{{ t.name }}{% endfor %}",
            "TypeError: 'NoneType' object is not",
        ),
        ("{{ documents[0].title }}", "UndefinedError: None has no element 0"),
        ("{{ messages[0].content.__len__() }}", "reads the attribute '__len__' of a str"),
        ("{{ messages[7].content }}", "UndefinedError: list object has no element 7"),
        (" " * 500_001, "was stopped: its text has 500,001 characters"),
    ],
)
def test_what_cannot_be_rendered_is_one_line(source: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ChatTemplate(source, {}).render([Message("user", "2 + 2?")])
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ 'a' * 80 }}", "a" * 80),
        ("{{ 100000 * 100000 }}", "10000000000"),
        ("{{ '%s of %d' % ('a', 1000000000) }}", "a of 1000000000"),
        ("{{ {'a': '<é>'}|tojson }}", '{"a": "<é>"}'),
        ("{% generation %}a{% endgeneration %}b", "ab"),
        (
            "{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
            "13",
        ),
        ("{% set n = namespace(a=1) %}{% set n.a = 2 %}{{ n.a }}{{ dict(b=3).b }}", "23"),
        ("{% for (a, b) in [(1, 2)] if a in [1] %}{{ a ~ b }}{% endfor %}", "12"),
    ],
)
def test_what_templates_do_is_done(source: str, text: str) -> None:
    assert render(source, {}) == text
