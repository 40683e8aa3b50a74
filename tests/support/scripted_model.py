"""A language model by hashing, and its answers in the words of every kind of server.

The distribution after a context is a function of the context alone, so that what a client should
hold for any text can be computed here, and sampled and scored rows agree.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from specialize.tokens import Tokenizer

LISTED, TAIL = 8, 0.02  # candidates of a context; the mass of all other ids together


@dataclass(frozen=True)
class ScriptedModel:
    """``row(context)`` lists the candidates, most probable first; drawing takes the first five.

    ``shows_ids``: its chat and completions are llama.cpp's, with an id beside every token and the
    end among them.
    """

    tokenizer: Tokenizer
    name: str = "scripted"
    shows_ids: bool = False

    def row(self, context: Sequence[int]) -> tuple[tuple[int, float], ...]:
        return _row(tuple(context[-4:]), len(context), self.tokenizer.size)

    def logprob(self, context: Sequence[int], token: int) -> float:
        found = dict(self.row(context)).get(token)
        return math.log(TAIL / (self.tokenizer.size - LISTED)) if found is None else found

    def draw(
        self, prompt: Sequence[int], seed: int, temperature: float, most: int
    ) -> tuple[list[int], str]:
        """The tokens written after ``prompt``, and ``stop`` or ``length``."""
        rng = np.random.default_rng([seed, *hashlib.sha256(bytes(str(prompt), "ascii")).digest()])
        tokens: list[int] = []
        while len(tokens) < most:
            row = self.row([*prompt, *tokens])[:5]
            weights = np.array([logprob for _, logprob in row]) / max(temperature, 1e-3)
            weights = np.exp(weights - weights.max())
            tokens.append(row[int(rng.choice(len(row), p=weights / weights.sum()))][0])
            if tokens[-1] in self.tokenizer.ends:
                return tokens, "stop"
        return tokens, "length"

    def entries(self, context: Sequence[int], token: int, k: int) -> list[tuple[int, float]]:
        """The first ``k``, and the token itself after them if it is not among them."""
        row = list(self.row(context)[:k])
        own = (token, self.logprob(context, token))
        return row if own in row else [*row, own]


@lru_cache(maxsize=1 << 16)
def _row(context: tuple[int, ...], length: int, size: int) -> tuple[tuple[int, float], ...]:
    digest = hashlib.sha256(repr((context, length)).encode()).digest()
    rng = np.random.default_rng(np.frombuffer(digest, np.uint32))
    ids = rng.choice(size, LISTED, replace=False).tolist()
    masses = np.sort(rng.dirichlet(np.full(LISTED, 0.5)) + 1e-4)[::-1]
    logprobs = np.log(masses / masses.sum() * (1 - TAIL)).astype(np.float32)
    return tuple(zip(ids, logprobs.tolist(), strict=True))


Body = dict[str, object]


def answer(model: ScriptedModel, path: str, body: Body) -> object:
    """What a server of the kind that has ``path`` answers; the interfaces do not overlap."""
    if path == "/v1/models":
        return {"data": [{"id": model.name, "max_model_len": 4096}]}
    if path == "/tokenize":
        return {"tokens": model.tokenizer.encode(str(body.get("prompt", body.get("content"))))}
    return _INTERFACES[path](model, body)


def _drawn(
    model: ScriptedModel, prompt: list[int], body: Body, most: str
) -> list[tuple[list[int], str]]:
    count, seed = int(body.get("n", 1)), int(body.get("seed", body.get("sampling_seed", 0)))
    return [
        model.draw(prompt, seed + i, float(body["temperature"]), int(body[most]))
        for i in range(count)
    ]


def _ids(model: ScriptedModel, prompt: object) -> list[int]:
    return list(prompt) if isinstance(prompt, list) else model.tokenizer.encode(str(prompt))


def _text(model: ScriptedModel, tokens: Sequence[int]) -> str:
    return model.tokenizer.decode(list(tokens))


def _completions(model: ScriptedModel, body: Body) -> Body:
    if model.shows_ids:
        return _llama_cpp_completions(model, body)
    prompt, k = _ids(model, body["prompt"]), int(body.get("logprobs", 0))
    by_ids = body.get("return_tokens_as_token_ids")
    spell = (lambda t: f"token_id:{t}") if by_ids else lambda t: _spelling(model, t)
    choices, written = [], 0
    for index, (tokens, finish) in enumerate(_drawn(model, prompt, body, "max_tokens")):
        shown = tokens if by_ids or finish == "length" else tokens[:-1]
        rows = [model.entries([*prompt, *tokens[:i]], t, k) for i, t in enumerate(shown)]
        logprobs = [model.logprob([*prompt, *tokens[:i]], t) for i, t in enumerate(shown)]
        told = {
            "tokens": [spell(token) for token in shown],
            "token_logprobs": logprobs,
            "top_logprobs": [{spell(token): value for token, value in row} for row in rows],
        }
        choices.append({
            "index": index, "text": _text(model, shown), "finish_reason": finish,
            "logprobs": told,
        })  # fmt: skip
        written += len(tokens)
    if "prompt_logprobs" in body:
        choices[0]["prompt_logprobs"] = _prompt_rows(model, prompt, int(body["prompt_logprobs"]))
    usage = {"completion_tokens": written, "prompt_tokens": len(prompt)}
    return {"model": model.name, "choices": choices, "usage": usage}


def _spelling(model: ScriptedModel, token: int) -> str:
    named = {i: name for name, i in model.tokenizer.special_tokens().items()}
    if token in named:
        return named[token]
    piece = model.tokenizer.pieces([token])[0]
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)


def _prompt_rows(model: ScriptedModel, prompt: list[int], k: int) -> list[Body | None]:
    return [None] + [
        {
            str(t): {"logprob": v, "rank": 1, "decoded_token": ""}
            for t, v in model.entries(prompt[:i], prompt[i], k)
        }
        for i in range(1, len(prompt))
    ]


def _tokens_alone(model: ScriptedModel, body: Body) -> Body:
    prompt, sampling = list(body["token_ids"]), body["sampling_params"]
    k, choices = int(sampling.get("logprobs", 0)), []
    for index, (tokens, finish) in enumerate(_drawn(model, prompt, sampling, "max_tokens")):
        content = [
            {
                "token": f"token_id:{t}", "logprob": model.logprob([*prompt, *tokens[:i]], t),
                "top_logprobs": [
                    {"token": f"token_id:{e}", "logprob": v}
                    for e, v in model.entries([*prompt, *tokens[:i]], t, k)
                ],
            }
            for i, t in enumerate(tokens)
        ]  # fmt: skip
        choices.append({
            "index": index, "token_ids": tokens, "finish_reason": finish,
            "logprobs": {"content": content},
        })  # fmt: skip
    rows = matrix = None
    if "prompt_logprobs" in sampling:
        rows = _prompt_rows(model, prompt, int(sampling["prompt_logprobs"]))
    if "prompt_logprob_token_ids" in sampling:
        matrix = _matrix(model, prompt, sampling)
    return {
        "request_id": "1", "choices": choices, "prompt_logprobs": rows,
        "prompt_token_id_logprobs": matrix,
    }  # fmt: skip


def _matrix(model: ScriptedModel, prompt: list[int], sampling: Body) -> str:
    """The log-probabilities of chosen ids as vLLM writes them: a file of an array in base64."""
    first, chosen = int(sampling["prompt_logprob_start"]) + 1, sampling["prompt_logprob_token_ids"]
    values = [
        [model.logprob(prompt[: first + i], t) if t >= 0 else -math.inf for t in ids]
        for i, ids in enumerate(chosen)
    ]
    file = io.BytesIO()
    np.save(file, np.array(values, np.float32))
    return base64.b64encode(file.getvalue()).decode()


def _chat(model: ScriptedModel, body: Body) -> Body:
    prompt = model.tokenizer.encode(body["messages"][-1]["content"])
    by_ids = bool(body.get("return_tokens_as_token_ids"))
    choices, written = [], 0
    for index, (tokens, finish) in enumerate(_drawn(model, prompt, body, "max_tokens")):
        whole = by_ids or model.shows_ids or finish == "length"
        shown = tokens if whole else tokens[:-1]
        content = _chat_rows(model, prompt, shown, int(body["top_logprobs"]), by_ids)
        text = _text(model, tokens if finish == "length" else tokens[:-1])
        choices.append({
            "index": index, "message": {"role": "assistant", "content": text},
            "finish_reason": finish, "logprobs": {"content": content},
        })  # fmt: skip
        written += len(tokens)
    return {"model": model.name, "choices": choices, "usage": {"completion_tokens": written}}


def _llama_cpp_completions(model: ScriptedModel, body: Body) -> Body:
    prompt = _ids(model, body["prompt"])
    [(tokens, finish)] = _drawn(model, prompt, body, "max_tokens")
    content = _chat_rows(model, prompt, tokens, int(body["logprobs"]), False)
    choice = {
        "index": 0, "text": _text(model, tokens if finish == "length" else tokens[:-1]),
        "finish_reason": finish, "logprobs": {"content": content},
    }  # fmt: skip
    return {
        "model": model.name, "choices": [choice], "usage": {"completion_tokens": len(tokens)},
    }  # fmt: skip


def _chat_rows(
    model: ScriptedModel, prompt: list[int], tokens: list[int], k: int, by_ids: bool
) -> list[Body]:
    rows = []
    for i, token in enumerate(tokens):
        context = [*prompt, *tokens[:i]]
        rows.append({
            **_chat_entry(model, token, model.logprob(context, token), by_ids),
            "top_logprobs": [
                _chat_entry(model, t, v, by_ids) for t, v in model.row(context)[:k]
            ],
        })  # fmt: skip
    return rows


def _chat_entry(model: ScriptedModel, token: int, logprob: float, by_ids: bool) -> Body:
    piece = model.tokenizer.pieces([token])[0]
    if by_ids:
        return {"token": f"token_id:{token}", "bytes": None, "logprob": logprob}
    if model.shows_ids:
        text = piece.decode("utf-8", "replace")
        return {"id": token, "token": text, "bytes": list(piece), "logprob": logprob}
    name = piece.decode("utf-8", "replace") or _spelling(model, token)
    return {"token": name, "bytes": list(piece) or None, "logprob": logprob}


def _sglang(model: ScriptedModel, body: Body) -> object:
    prompt, k = list(body["input_ids"]), int(body["top_logprobs_num"])
    sampling, told = body["sampling_params"], []
    for tokens, finish in _drawn(model, prompt, sampling, "max_new_tokens"):
        contexts = [[*prompt, *tokens[:i]] for i in range(len(tokens))]
        about = {
            "finish_reason": {
                "type": finish, **({"matched": tokens[-1]} if finish == "stop" else {}),
            },
            "completion_tokens": len(tokens),
            "output_token_logprobs": [
                [model.logprob(c, t), t, None] for c, t in zip(contexts, tokens, strict=True)
            ],
            "output_top_logprobs": [[[v, t, None] for t, v in model.row(c)[:k]] for c in contexts],
        }  # fmt: skip
        if "logprob_start_len" in body:
            about |= _sglang_scores(model, prompt, int(body["logprob_start_len"]), k, body)
        told.append({"text": _text(model, tokens), "output_ids": tokens, "meta_info": about})
    return told if len(told) > 1 else told[0]


def _sglang_scores(model: ScriptedModel, prompt: list[int], start: int, k: int, body: Body) -> Body:
    own = [[None, prompt[start], None]]
    own += [[model.logprob(prompt[:i], prompt[i]), prompt[i], None]
            for i in range(start + 1, len(prompt))]  # fmt: skip
    rows = [model.row(prompt[:i])[:k] for i in range(start + 1, len(prompt))]
    if not body.get("return_flat_raw_top_logprobs_b64"):
        return {
            "input_token_logprobs": own,
            "input_top_logprobs": [None] + [[[v, t, None] for t, v in row] for row in rows],
        }
    values = np.array([[v for _, v in row] for row in rows], "<f4")
    ids = np.array([[t for t, _ in row] for row in rows], "<i4")
    return {
        "input_token_logprobs": own,
        "input_top_logprobs_shape": [len(own), k],
        "input_top_logprobs_null_prefix": 1,
        "input_top_logprobs_val_flat_b64": base64.b64encode(values.tobytes()).decode(),
        "input_top_logprobs_idx_flat_b64": base64.b64encode(ids.tobytes()).decode(),
    }


def _llama_cpp(model: ScriptedModel, body: Body) -> Body:
    prompt, k = list(body["prompt"]), int(body["n_probs"])
    if "logit_bias" in body:
        tokens, finish = [body["logit_bias"][0][0]], "length"
    elif "grammar" in body:
        tokens, finish = [int(t) for t in re.findall(r"<\[(\d+)\]>", body["grammar"])], "length"
    else:
        [(tokens, finish)] = _drawn(model, prompt, body, "n_predict")
    rows = []
    for i, token in enumerate(tokens):
        context = [*prompt, *tokens[:i]]
        if k > LISTED:
            listed = [(t, model.logprob(context, t)) for t in range(model.tokenizer.size)]
            listed.sort(key=lambda entry: -entry[1])
        else:
            listed = list(model.row(context)[:k])
        rows.append({
            "id": token, "logprob": model.logprob(context, token),
            "top_logprobs": [{"id": t, "logprob": v} for t, v in listed[:k]],
        })  # fmt: skip
    kept = [row for row in rows if not _spelling(model, row["id"]).startswith("bytes:")]
    return {
        "tokens": tokens, "stop_type": "eos" if finish == "stop" else "limit", "model": model.name,
        "tokens_evaluated": len(prompt), "completion_probabilities": kept,
    }  # fmt: skip


_INTERFACES = {
    "/v1/completions": _completions,
    "/inference/v1/generate": _tokens_alone,
    "/v1/chat/completions": _chat,
    "/generate": _sglang,
    "/completion": _llama_cpp,
}
