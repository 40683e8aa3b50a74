"""Faults that servers have under load, put into the answers of a scripted vLLM server.

``FAULTS`` maps a name to what becomes of the right answer (a value) in its place. Which request
meets which fault is drawn from the request itself and how often it came, so that a run can be
repeated. The last few change the form only: an answer that must be accepted as it is.
"""

from __future__ import annotations

import copy
import email.utils
import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from tests.support.scripted_model import ScriptedModel, answer
from tests.support.scripted_server import Body, Reply

Fault = Callable[[Body], Reply]
HTML = b"<html><body><h1>Bad gateway</h1></body></html>"


def _soon() -> str:
    return email.utils.formatdate(usegmt=True)


def _changed(change: Callable[[Body], object]) -> Fault:
    """The answer after ``change`` of a copy of its first choice, or of the whole as ``all``."""

    def fault(value: Body) -> Reply:
        broken = copy.deepcopy(value)
        change(broken)
        return Reply(broken)

    return fault


def _row(value: Body) -> dict[str, float]:
    """The middle row of the first choice."""
    rows = value["choices"][0]["logprobs"]["top_logprobs"]
    return rows[len(rows) // 2]


def _logprobs(value: Body) -> dict[str, list]:
    return value["choices"][0]["logprobs"]


def _set_row(value: Body, change: Callable[[list[tuple[str, float]]], object]) -> None:
    row = _row(value)
    changed = change(list(row.items()))
    row.clear()
    row.update(changed)


def _duplicate_key(value: Body) -> Reply:
    text = json.dumps(value)
    first = next(iter(_row(value)))
    return Reply(raw=text.replace(f'"{first}": ', f'"{first}": -1.5, "{first}": ', 1).encode())


def _constant(word: str) -> Fault:
    def fault(value: Body) -> Reply:
        broken = copy.deepcopy(value)
        _logprobs(broken)["token_logprobs"][0] = "HERE"
        return Reply(raw=json.dumps(broken).replace('"HERE"', word).encode())

    return fault


def _rotate(value: Body) -> None:
    rows = _logprobs(value)["top_logprobs"]
    rows.append(rows.pop(0))


def _swap_token(value: Body) -> None:
    tokens = _logprobs(value)["tokens"]
    tokens[0] = "token_id:7" if tokens[0] != "token_id:7" else "token_id:8"


FAULTS: Mapping[str, Fault] = {
    # of the connection and the status
    "429": lambda v: Reply(raw=b"slow down", status=429),
    "429, retry after seconds": lambda v: Reply(status=429, headers={"Retry-After": "0"}),
    "429, retry after a date": lambda v: Reply(status=429, headers={"Retry-After": _soon()}),
    "500": lambda v: Reply(raw=b"Internal Server Error", status=500),
    "502, a page": lambda v: Reply(raw=HTML, status=502),
    "503, retry after": lambda v: Reply(status=503, headers={"Retry-After": "0"}),
    "504": lambda v: Reply(status=504),
    "408": lambda v: Reply(status=408),
    "reset before the answer": lambda v: Reply(silent=True),
    "reset inside the answer": lambda v: Reply(v, promised=40),
    "late": lambda v: Reply(v, wait=0.05),
    "byte by byte": lambda v: Reply(v, drip=0.01),
    "no answer at all": lambda v: Reply(v, hang=True),
    # of the body
    "a page with 200": lambda v: Reply(raw=HTML),
    "cut JSON": lambda v: Reply(raw=json.dumps(v).encode()[:-30]),
    "an empty body": lambda v: Reply(raw=b""),
    "null": lambda v: Reply(None),
    "an error with 200": lambda v: Reply({"error": {"message": "overloaded", "code": 500}}),
    "broken gzip": lambda v: Reply(v, headers={"Content-Encoding": "gzip"}),
    "a gzip bomb": lambda v: Reply(raw=_BOMB, headers={"Content-Encoding": "gzip"}),
    "no choices": _changed(lambda v: v.update(choices=[])),
    "wrong index": _changed(lambda v: v["choices"][0].update(index=1)),
    "another model": _changed(lambda v: v.update(model="another")),
    "another text": _changed(lambda v: v["choices"][0].update(text="Z" + v["choices"][0]["text"])),
    "wrong count": _changed(lambda v: v["usage"].update(completion_tokens=999)),
    "no reason": _changed(lambda v: v["choices"][0].update(finish_reason="abort")),
    # of the rows
    "no log-probabilities": _changed(lambda v: v["choices"][0].update(logprobs=None)),
    "the last entry is missing": _changed(lambda v: _logprobs(v)["top_logprobs"].pop()),
    "the last number is missing": _changed(lambda v: _logprobs(v)["token_logprobs"].pop()),
    "the last token is missing": _changed(lambda v: [c.pop() for c in _logprobs(v).values()]),
    "an extra row": _changed(lambda v: _logprobs(v)["top_logprobs"].append({"token_id:1": -0.1})),
    "rows shifted by one": _changed(_rotate),
    "a row twice": _changed(lambda v: _set_row(v, lambda r: [(t, p) for t, p in r[:1]])),
    "one entry less": _changed(lambda v: _set_row(v, lambda r: r[:-1])),
    "a key twice": _duplicate_key,
    "NaN": _constant("NaN"),
    "Infinity": _constant("Infinity"),
    "null for a number": _constant("null"),
    "-9999 for an entry": _changed(lambda v: _set_row(v, lambda r: [*r[:-1], (r[-1][0], -9999.0)])),
    "above 0": _changed(lambda v: _set_row(v, lambda r: [(t, -p) for t, p in r])),
    "a mass above 1": _changed(lambda v: _set_row(v, lambda r: [(t, -0.01) for t, _ in r])),
    "an id beyond the vocabulary": _changed(
        lambda v: _set_row(v, lambda r: [*r[:-1], ("token_id:99999", r[-1][1])])
    ),
    "a negative id": _changed(
        lambda v: _set_row(v, lambda r: [*r[:-1], ("token_id:-4", r[-1][1])])
    ),
    "an id that is none": _changed(lambda v: _logprobs(v)["tokens"].__setitem__(0, "token_id:x")),
    "another token": _changed(_swap_token),
    # of the form alone: right all the same
    "entries in another order": _changed(lambda v: _set_row(v, lambda r: r[::-1])),
    "an unknown field": _changed(lambda v: v.update(kv_transfer_params={"a": [None]})),
}


def _rows(value: Body) -> list[dict[str, dict[str, object]]]:
    """The rows of a scored prompt."""
    return value["choices"][0]["prompt_logprobs"]


def _each(value: Body, logprob: float) -> None:
    for entry in _rows(value)[-1].values():
        entry["logprob"] = logprob


SCORE_FAULTS: Mapping[str, Fault] = {
    "no rows": _changed(lambda v: v["choices"][0].pop("prompt_logprobs")),
    "the last row is missing": _changed(lambda v: _rows(v).pop()),
    "an extra row": _changed(lambda v: _rows(v).append(_rows(v)[-1])),
    "rows shifted by one": _changed(lambda v: _rows(v).append(_rows(v).pop(1))),
    "a row is null": _changed(lambda v: _rows(v).__setitem__(-1, None)),
    "a row is empty": _changed(lambda v: _rows(v)[-1].clear()),
    "one entry less": _changed(lambda v: _rows(v)[-1].popitem()),
    "NaN": _changed(lambda v: _each(v, float("nan"))),
    "above 0": _changed(lambda v: _each(v, 0.5)),
    "a mass above 1": _changed(lambda v: _each(v, -0.01)),
    "-9999 everywhere": _changed(lambda v: _each(v, -9999.0)),
    "an id beyond the vocabulary": _changed(
        lambda v: _rows(v)[-1].update({"99999": {"logprob": -9.0}})
    ),
    "an id that is none": _changed(lambda v: _rows(v)[-1].update({"x": {"logprob": -9.0}})),
    "another model": _changed(lambda v: v.update(model="another")),
}
HARMLESS = ("late", "byte by byte", "entries in another order", "an unknown field")
_BOMB = gzip.compress(bytes(1 << 26), mtime=0)


class Chaos:
    """``says`` of a scripted server: about ``share`` of the answers have a fault."""

    def __init__(self, model: ScriptedModel, share: float) -> None:
        self._model, self._share = model, share
        self._turns: Counter[bytes] = Counter()  # of all addresses together
        self.met: Counter[str] = Counter()

    def __call__(self, path: str, body: Body, turn: int) -> Reply:
        value = answer(self._model, path, body)
        if path != "/v1/completions":
            return Reply(value)
        asked = json.dumps(body, sort_keys=True).encode()
        self._turns[asked] += 1
        key = hashlib.sha256(b"%d %b" % (self._turns[asked], asked)).digest()
        rng = np.random.default_rng(np.frombuffer(key, np.uint32))
        if rng.random() >= self._share or not _logprobs(value)["tokens"]:
            return Reply(value)
        name = list(FAULTS)[int(rng.integers(len(FAULTS)))]
        self.met[name] += 1
        return FAULTS[name](value)
