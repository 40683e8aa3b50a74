"""What a server says of the model that it serves: ``/v1/models``, which all kinds have.

{"data": [{"id": "Qwen/Qwen3-8B", "max_model_len": 40960}]}                        vLLM, SGLang
{"data": [{"id": "toy", "aliases": ["toy"],
           "meta": {"n_ctx": 256, "ftype": "Q4_K - Medium"}}]}                     llama.cpp
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field, ValidationError

from specialize.config.recipe import Server
from specialize.errors import TeacherError
from specialize.teacher.served.dialects.shapes import Shape
from specialize.teacher.served.exchange import ATTEMPTS
from specialize.teacher.served.transport import RefusedError, SetupError, Transport
from specialize.teacher.served.wire import BadReplyError, parse_body


class Meta(Shape):
    """What llama.cpp adds: its context in tokens, and how the weights are quantized."""

    n_ctx: int | None = None
    ftype: str = ""


class Model(Shape):
    """One model of the list."""

    id: str
    aliases: list[str] = Field(default_factory=list)
    max_model_len: int | None = None
    meta: Meta | None = None


class Models(Shape):
    """The list."""

    data: list[Model] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Served:
    """What a server says of its model.

    Attributes:
        context: tokens of prompt and text together; None where the server does not say.
        weights: how they are quantized, as ``Q4_K - Medium``; empty where it does not say.
    """

    context: int | None = None
    weights: str = ""


async def served_model(transport: Transport, server: Server, model: str) -> Served:
    """What the server says of ``model``.

    Raises:
        TeacherError: out of reach, or it serves other models only.
    """
    listed = await _listed(transport)
    if not listed:
        return Served()
    named = {name: entry for entry in reversed(listed) for name in (entry.id, *entry.aliases)}
    if model not in named:
        served = ", ".join(sorted(named)[:5])
        raise TeacherError(
            f"the server at {server.urls[0]} does not serve {model!r} but {served}; name one of "
            f"them as the teacher's model, and its tokenizer with server.tokenizer"
        )
    entry, meta = named[model], named[model].meta or Meta()
    context = entry.max_model_len or meta.n_ctx
    return Served(context if context and context > 0 else None, meta.ftype)


async def _listed(transport: Transport) -> list[Model]:
    """The models that the server lists; none where it keeps no list or one of another form."""
    for _ in range(ATTEMPTS):
        try:
            body = parse_body(await transport.get("/v1/models"))
            return Models.model_validate(body).data
        except (SetupError, RefusedError):
            return []
        except (BadReplyError, ValidationError):
            continue
    return []
