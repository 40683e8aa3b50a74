"""Templates of strangers, rendered as the transformers library renders them, within bounds.

    {% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}    is refused
    {% set x = x ~ x %}, forty times                                                  is refused

Jinja's sandbox keeps a template from Python, not from work without end. Here every step of a loop,
every call, every filter and everything that is built or written takes from one allowance, which is
the same on every machine: the tree of the template is rewritten before it is compiled, so that
nothing is built before it is paid for. No clock, thread or process is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import (
    Callable,
    ItemsView,
    Iterator,
    KeysView,
    Mapping,
    Sequence,
    Sized,
    ValuesView,
)
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, wraps
from math import prod
from types import BuiltinMethodType

from jinja2 import Template, TemplateError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

ALLOWANCE = 50_000_000  # characters; about two seconds of work
_STEP, _ITEM, _READ = 100, 50, 8  # a step and an item cost as much as characters; reading an 8th
LONGEST_SOURCE = 500_000  # characters; the longest published templates have some 30,000
# What can return more than it was given: by how much is known from the arguments.
_GROWING = frozenset({
    "batch", "center", "expandtabs", "indent", "join", "ljust", "replace", "rjust", "slice",
    "tojson", "translate", "wordwrap", "zfill",
})  # fmt: skip
_SLOW = frozenset(("pprint", "striptags", "title", "urlize", "wordwrap"))  # more than a pass
_WIDEST = 10_000  # bits of a whole number
_WIDTH_GIVEN = re.compile(r"\*|\{[^{}]*\{")  # a form that takes a width from what fills it
# Names that no template can write.
_STEP_MARK, _BUILT_MARK, _READ_MARK = "specialize: step", "specialize: built", "specialize: read"


class TooMuchError(TemplateError):
    """The allowance is used up."""


class RefusedError(TemplateError):
    """The template itself refuses what it was given, by ``raise_exception``."""


class _Allowance:
    """What is left of the allowance of one rendering."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = ALLOWANCE

    def take(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise TooMuchError("it loops without end or writes without measure")


_allowance: ContextVar[_Allowance] = ContextVar("allowance")


@contextmanager
def allowance() -> Iterator[None]:
    """One allowance for all that is rendered inside."""
    token = _allowance.set(_Allowance())
    try:
        yield
    finally:
        _allowance.reset(token)


def _pay(value: object) -> None:
    _allowance.get().take(_STEP + _size(value))


def _size(value: object) -> int:
    """What ``value`` would take written out, in characters; it stops counting beyond all bounds."""
    if isinstance(value, str):
        return len(value)
    waiting, total = [value], 0
    while waiting and total <= ALLOWANCE:
        part = waiting.pop()
        if isinstance(part, (str, bytes)):
            total += len(part)
        elif isinstance(part, int):
            total += part.bit_length()
        elif isinstance(part, dict):
            total += _ITEM * len(part)
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, (list, tuple, set, frozenset, KeysView, ValuesView, ItemsView)):
            total += _ITEM * len(part)
            waiting += part
    return total


def _pay_reading(value: object) -> None:
    """For going once through ``value``, not into its parts."""
    if isinstance(value, str):
        _allowance.get().take(len(value) // _READ)
    elif isinstance(value, Sized):
        _allowance.get().take(len(value) * _ITEM)


def _check_growth(name: str, subject: object, given: Sequence[object]) -> None:
    """Refuse, before it is done, what would build more than the allowance.

    The bound is the product of all sizes; for a replacement it is known exactly.
    """
    if name == "replace" and len(given) >= 2 and isinstance(subject, str):
        old, new = str(given[0]), str(given[1])
        _allowance.get().take(subject.count(old) * len(new))
    elif name in ("%", "format", "format_map"):
        takes_widths = not isinstance(subject, str) or _WIDTH_GIVEN.search(subject)
        sizes = map(_magnitude if takes_widths else _size, given)
        _refuse_beyond(name, _magnitude(subject) * max(1, sum(sizes)))
    elif name in _GROWING or name in ("*", "**"):
        _refuse_beyond(name, prod(map(_magnitude, [subject, *given])))


def _refuse_beyond(name: str, most: int) -> None:
    if most > ALLOWANCE:
        raise TooMuchError(f"{name!r} would build more than {ALLOWANCE:,} characters")


def _refuse_wide(operator: str, left: int, right: int) -> None:
    widths = left.bit_length(), right.bit_length()
    bits = widths[0] * max(right, 1) if operator == "**" else sum(widths)
    if bits > _WIDEST:
        raise TooMuchError(f"{operator!r} would make a number of more than {_WIDEST:,} bits")


def _magnitude(value: object) -> int:
    """How much ``value`` can make of another: as a text, as a number of times, as a width."""
    if isinstance(value, (int, float)):
        return int(min(max(1, abs(value)), ALLOWANCE + 1))
    if isinstance(value, str):
        widths = re.findall(r"\d{2,}", value) if "%" in value or "{" in value else []
        return max(1, len(value)) * max([1, *(int(digits[:9]) for digits in widths)])
    if isinstance(value, tuple):  # what is filled into a form
        return sum(map(_magnitude, value))
    if isinstance(value, dict):
        return sum(map(_magnitude, value.values()))
    return max(1, _size(value))


class _Environment(ImmutableSandboxedEnvironment):
    """transformers' environment for chat templates; everything in it is paid for."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        self.filters["tojson"] = _to_json
        for name, function in self.filters.items():
            self.filters[name] = _paid_filter(name, function)
        self.filters |= {_STEP_MARK: _step, _BUILT_MARK: _built, _READ_MARK: _read}
        del self.globals["lipsum"]  # words without measure, and of no use
        self.globals["dict"] = _Dictionaries()
        self.globals["namespace"] = _Names
        self.globals["raise_exception"] = _refuse

    def call(self, context: Context, function: object, /, *args: object, **named: object) -> object:
        _allowance.get().take(_STEP)
        if isinstance(function, BuiltinMethodType):
            _check_growth(function.__name__, function.__self__, [*args, *named.values()])
        result = super().call(context, function, *args, **named)
        _pay(result)
        return result

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        if isinstance(left, int) and isinstance(right, int):
            _refuse_wide(operator, left, right)
        elif operator in ("*", "**") or isinstance(left, str):
            _check_growth(operator, left, [right])
        result = self.binop_table[operator](left, right)
        _pay(result)
        return result

    def unsafe_undefined(self, obj: object, attribute: str) -> Undefined:
        kind = type(obj).__name__
        raise SecurityError(f"it reads the attribute {attribute!r} of a {kind}, which is closed")

    def wrap_str_format(self, value: object) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is None or not isinstance(value, BuiltinMethodType):
            return None
        form = value.__self__

        @wraps(wrapped)
        def paid(*args: object, **named: object) -> str:
            _check_growth("format", form, [*args, *named.values()])
            return wrapped(*args, **named)

        return paid


def _paid_filter(name: str, function: Callable[..., object]) -> Callable[..., object]:
    """``function`` as a filter that is paid for; what Jinja hands it first stays first."""
    leading = int(hasattr(function, "jinja_pass_arg"))

    @wraps(function)
    def paid(*args: object, **named: object) -> object:
        _allowance.get().take(_STEP)
        subject, *given = args[leading:]
        for _ in range(64 * _READ if name in _SLOW else 1):
            _pay_reading(subject)
        _check_growth(name, subject, [*given, *named.values()])
        result = function(*args, **named)
        _pay(result)
        return result

    return paid


# Filters that read the context are never evaluated while a template is compiled.
@pass_context
def _step(_: Context, value: object) -> object:
    _allowance.get().take(_STEP)
    return value


@pass_context
def _built(_: Context, value: object) -> object:
    _pay(value)
    return value


@pass_context
def _read(_: Context, value: object) -> object:
    _pay_reading(value)
    return value


class _Metered(NodeTransformer):
    """A template's tree in which loops, and all that is built or written, are paid for."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802
        self.generic_visit(node)
        step = _metered(nodes.Const(True), _STEP_MARK)
        node.body.insert(0, nodes.ExprStmt(step, lineno=node.lineno))
        if node.test is not None:
            node.test = nodes.And(step, node.test)
        return node

    def visit_Output(self, node: nodes.Output) -> nodes.Output:  # noqa: N802
        self.generic_visit(node)
        node.nodes = [_paid(_as_expression(part)) for part in node.nodes]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.nodes = [_paid(part) for part in node.nodes]
        return node

    def visit_Operand(self, node: nodes.Operand) -> nodes.Operand:  # noqa: N802
        self.generic_visit(node)
        node.expr = _metered(node.expr, _READ_MARK)
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        return _paid(self._inside(node))

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        return _paid(self._inside(node))

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        inside = self._inside(node)
        return inside if node.ctx == "store" else _paid(inside)

    def _inside(self, node: nodes.Expr) -> nodes.Expr:
        self.generic_visit(node)
        return node


def _as_expression(part: nodes.Expr) -> nodes.Expr:
    return nodes.Const(part.data) if isinstance(part, nodes.TemplateData) else part


def _paid(expression: nodes.Expr) -> nodes.Expr:
    return _metered(expression, _BUILT_MARK)


def _metered(expression: nodes.Expr, mark: str) -> nodes.Expr:
    return nodes.Filter(expression, mark, [], [], None, None)


class _Generation(Extension):
    """``{% generation %}``, with which some templates mark what the assistant wrote."""

    tags = {"generation"}  # noqa: RUF012 (Jinja's own form)

    def parse(self, parser: Parser) -> nodes.CallBlock:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        block = nodes.CallBlock(self.call_method("words"), [], [], body)
        block.set_lineno(line)
        return block

    def words(self, caller: Macro) -> str:
        return caller()


class _Dictionaries:
    """``dict`` without its class, which a template has no use for."""

    def __call__(self, *args: Mapping[str, object], **named: object) -> dict[str, object]:
        return dict(*args, **named)

    def fromkeys(self, keys: Sequence[object], value: object = None) -> dict[object, object]:
        return dict.fromkeys(keys, value)


class _Names(Namespace):
    """``namespace``, in which no name of Python's own can be set."""

    def __init__(*args: object, **named: object) -> None:
        self, *given = args
        values = dict(*given, **named)
        for name in values:
            _refuse_underscore(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: object) -> None:
        _refuse_underscore(name)
        super().__setitem__(name, value)

    def __repr__(self) -> str:
        return "<Namespace>"


def _refuse_underscore(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace can hold no {name!r}: names begin with a letter")


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as transformers writes it: Jinja's own filter escapes what HTML needs escaped."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _refuse(message: str) -> None:
    raise RefusedError(message)


@lru_cache(maxsize=32)
def compiled(source: str) -> Template:
    """The template of ``source``; to be rendered inside ``allowance``.

    Raises:
        Exception: whatever Jinja and Python make of a text that is no template.
    """
    if len(source) > LONGEST_SOURCE:
        raise TooMuchError(f"its text has {len(source):,} characters")
    environment = _Environment()
    tree = _Metered().visit(environment.parse(source))
    code = environment.compile(tree)
    return Template.from_code(environment, code, environment.make_globals(None))


def render(source: str, variables: Mapping[str, object]) -> str:
    """``source`` with ``variables``, within one allowance."""
    with allowance():
        return compiled(source).render(variables)
