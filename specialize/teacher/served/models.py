"""What a server says it serves: ``/v1/models``, which all kinds have.

{"data": [{"id": "Qwen/Qwen3-8B", "max_model_len": 40960}]}       vLLM, SGLang
{"data": [{"id": "toy", "aliases": ["toy"], "meta": {"n_ctx": 256}}]}       llama.cpp
"""

from __future__ import annotations

from specialize.config.recipe import Server
from specialize.errors import TeacherError
from specialize.teacher.served.exchange import ATTEMPTS
from specialize.teacher.served.transport import RefusedError, SetupError, Transport
from specialize.teacher.served.wire import BadReplyError, parse_body


async def check_model(transport: Transport, server: Server, model: str) -> int | None:
    """The context of ``model`` in tokens; None where the server does not say.

    Raises:
        TeacherError: out of reach, or it serves other models only.
    """
    entries = await _entries(transport)
    if not entries:
        return None
    names = {name for entry in entries for name in (entry.get("id"), *_listed(entry, "aliases"))}
    if model not in names:
        known = ", ".join(sorted(str(name) for name in names)[:5])
        raise TeacherError(
            f"the server at {server.urls[0]} does not serve {model!r} but {known}; name one of "
            f"them as the teacher's model, and its tokenizer with server.tokenizer"
        )
    entry = next(e for e in entries if model in (e.get("id"), *_listed(e, "aliases")))
    about = entry.get("meta")
    found = entry.get("max_model_len") or (about or {}).get("n_ctx")
    return found if isinstance(found, int) and found > 0 else None


async def _entries(transport: Transport) -> list[dict[str, object]]:
    for _ in range(ATTEMPTS):
        try:
            body = parse_body(await transport.get("/v1/models"))
        except (SetupError, RefusedError):
            return []
        except BadReplyError:
            continue
        listed = _listed(body, "data") if isinstance(body, dict) else []
        return [entry for entry in listed if isinstance(entry, dict)]
    return []


def _listed(entry: dict[str, object], key: str) -> list[object]:
    found = entry.get(key)
    return found if isinstance(found, list) else []
