"""The probe: servers that cannot be teachers are refused, with the way out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from specialize.config.recipe import Teacher as Settings
from specialize.errors import ConfigurationError, TeacherError
from specialize.teacher.dump import dump
from specialize.teacher.protocol import Sampling
from specialize.teacher.served import connect
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.scripted_model import ScriptedModel, answer
from tests.support.scripted_server import Body, Reply, scripted

Change = Callable[[str, Body, Body], object]


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(load_tokenizer(toys.gpt2()))


def settings_of(kind: str, url: str, **values: object) -> Settings:
    server = {"kind": kind, "urls": [url], "tokenizer": str(toys.gpt2()), "retry_seconds": 2}
    server |= values.pop("server", {})
    return Settings.model_validate({"model": "scripted", "server": server, **values})


def says(model: ScriptedModel, change: Change) -> Callable[[str, Body, int], Reply]:
    def reply(path: str, body: Body, turn: int) -> Reply:
        value = copy.deepcopy(answer(model, path, body))
        changed = change(path, body, value)
        return changed if isinstance(changed, Reply) else Reply(value)

    return reply


@dataclass(frozen=True)
class Processed(ScriptedModel):
    """Log-probabilities after temperature, as servers return them unless told otherwise."""

    temperature: float = 1.0

    def row(self, context: Sequence[int]) -> tuple[tuple[int, float], ...]:
        raw = super().row(context)
        return tuple((token, logprob / self.temperature) for token, logprob in raw)


@dataclass(frozen=True)
class Shifted(ScriptedModel):
    """Rows of the position after, consistent in themselves: the fault of an ``echo``."""

    def row(self, context: Sequence[int]) -> tuple[tuple[int, float], ...]:
        return super().row([*context, 7])


def no_rows(path: str, body: Body, value: Body) -> None:
    for choice in value.get("choices", ()):
        choice["logprobs"] = None


def fewer(path: str, body: Body, value: Body) -> None:
    for choice in value.get("choices", ()):
        rows = choice["logprobs"]["top_logprobs"]
        rows[:] = [dict(list(row.items())[:3]) for row in rows]


def other_tokenizer(path: str, body: Body, value: Body) -> None:
    if path == "/tokenize":
        value["tokens"][2] += 1


def refuses(path: str, body: Body, value: Body) -> Reply | None:
    bad = Reply({"error": "logprobs must be at most 3"}, status=400)
    return bad if path == "/v1/completions" else None


def other_model(path: str, body: Body, value: Body) -> None:
    if path == "/v1/models":
        value["data"] = [{"id": "another"}, {"id": "a third"}]


REFUSED: list[tuple[str, str, Change, dict[str, object], str]] = [
    ("no rows", "vllm", no_rows, {}, "failed the probe: no log-probabilities; start it so"),
    ("no rows", "vllm-tokens", no_rows, {}, "failed the probe: no log-probabilities; start"),
    ("kind", "sglang", lambda p, b, v: Reply({}), {}, "not in the form .*; check server.kind"),
    ("no rows", "openai", no_rows, {}, "failed the probe: no log-probabilities; start it so"),
    ("cap", "vllm", fewer, {}, "fewer entries than asked for; raise its limit.*or lower top_k"),
    ("tokens", "vllm", other_tokenizer, {}, "tokenizes otherwise than gpt2: .*token 2 is"),
    ("refusal", "vllm", refuses, {}, "at most 3.*; lower top_k, or check server.kind"),
    ("model", "vllm", other_model, {}, "does not serve 'scripted' but a third, another; name"),
    ("score", "openai", lambda *_: None, {"mode": "score"}, "cannot score given texts; serve"),
]


@pytest.mark.parametrize(("kind", "change", "values", "message"), [r[1:] for r in REFUSED])
def test_refused(
    model: ScriptedModel, kind: str, change: Change, values: dict[str, object], message: str
) -> None:
    with (
        scripted(says(model, change)) as server,
        pytest.raises(TeacherError, match=message) as caught,
    ):
        connect(settings_of(kind, server.url, **values))
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)


def test_rows_after_temperature(model: ScriptedModel) -> None:
    """Refused where nothing raw can be had; scored again where the server can score."""

    def tempered(path: str, body: Body, turn: int) -> Reply:
        told = body.get("sampling_params", body)
        heat = float(told.get("temperature", 1.0)) if "prompt_logprobs" not in body else 1.0
        value = answer(Processed(model.tokenizer, temperature=heat), path, body)
        return Reply(value)

    with scripted(tempered) as server:
        with pytest.raises(TeacherError, match="after temperature and nucleus; start it so"):
            connect(settings_of("openai", server.url, temperature=0.7))
        with connect(settings_of("openai", server.url, temperature=1.0)) as teacher:
            assert teacher.description.probe["raw"] is False
        with connect(settings_of("vllm", server.url, temperature=0.7)) as teacher:
            assert teacher.description.probe["raw"] is False
            [text] = teacher.sample(["Case 1?"], [5], Sampling(6, temperature=0.7, top_k=5))
    head = model.tokenizer.encode("Case 1?")
    for i, token in enumerate(text.token_id.tolist()):
        context = [*head, *text.token_id[:i].tolist()]
        assert text.token_logprob[i] == pytest.approx(model.logprob(context, token), abs=1e-5)


def test_shifted_rows(model: ScriptedModel) -> None:
    def sampled(path: str, body: Body, turn: int) -> Reply:
        value = answer(model, path, body)
        if path == "/v1/completions" and "logprobs" in body:
            rows = answer(Shifted(model.tokenizer), path, {**body, "temperature": 1.0})
            ours, theirs = (v["choices"][0]["logprobs"] for v in (value, rows))
            count = min(len(ours["tokens"]), len(theirs["tokens"]))
            for i in range(count):
                listed = dict(theirs["top_logprobs"][i])
                token = ours["tokens"][i]
                listed.setdefault(token, min(listed.values()) - 4)
                ours["top_logprobs"][i] = listed
                ours["token_logprobs"][i] = listed[token]
        return Reply(value)

    def scored(path: str, body: Body, turn: int) -> Reply:
        shifted = "prompt_logprobs" in body
        return Reply(answer(Shifted(model.tokenizer) if shifted else model, path, body))

    with scripted(sampled) as server, pytest.raises(TeacherError, match="rows are shifted"):
        connect(settings_of("vllm", server.url))
    with scripted(scored) as server, pytest.raises(TeacherError, match="other rows than it"):
        connect(settings_of("vllm", server.url, mode="score"))


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "key_variable"), (403, "its key may not"), (404, "check the address"), (307, "check")],
)
def test_wrong_set_up_is_not_tried_again(status: int, message: str) -> None:
    with scripted(lambda path, body, turn: Reply(raw=b"no", status=status)) as server:
        with pytest.raises(TeacherError, match=f"status {status}.*{message}"):
            connect(settings_of("openai", server.url))
        assert len(server.requests) == 2  # its models, then the first text


def test_out_of_reach() -> None:
    with scripted(lambda path, body, turn: Reply()) as server:
        url = server.url
    values = {"server": {"retry_seconds": 0.5}}
    with pytest.raises(TeacherError, match=r"gave no answer within 0.5 s .*ConnectError"):
        connect(settings_of("vllm", url, **values))


def test_the_verdict_is_part_of_what_a_store_is(model: ScriptedModel, tmp_path: Path) -> None:
    def wide(path: str, body: Body, turn: int) -> Reply:
        return Reply(answer(model, path, body))

    def no_scores(path: str, body: Body, turn: int) -> Reply:
        return Reply({}, status=404) if "prompt_logprobs" in body else wide(path, body, turn)

    out = tmp_path / "store"
    for change, refusal in ((wide, None), (no_scores, "settings.probe.scores: True in the store")):
        with scripted(change) as server:
            settings = settings_of("vllm", server.url, max_new_tokens=4)
            with connect(settings, journal=out / "journal.jsonl") as teacher:
                if refusal is None:
                    dump(teacher, toys.examples(2), out, settings)
                else:
                    with pytest.raises(ConfigurationError, match=refusal):
                        dump(teacher, toys.examples(2), out, settings)


def test_replies_of_another_model_are_asked_again(model: ScriptedModel) -> None:
    other = replace(model, name="another")

    def mixed(path: str, body: Body, turn: int) -> Reply:
        return Reply(answer(other if body.get("seed") == 9 and not turn else model, path, body))

    with scripted(mixed) as server, connect(settings_of("vllm", server.url)) as teacher:
        [text] = teacher.sample(["Case 1?"], [9], Sampling(6))
        assert text.fault == ""
        assert [b.get("seed") for _, b, _ in server.requests].count(9) == 2


def test_every_address_is_probed(model: ScriptedModel) -> None:
    def raw(path: str, body: Body, turn: int) -> Reply:
        return Reply(answer(model, path, body))

    def no_scores(path: str, body: Body, turn: int) -> Reply:
        return Reply({}, status=404) if "prompt_logprobs" in body else raw(path, body, turn)

    with scripted(raw) as one, scripted(raw) as two, scripted(no_scores) as other:
        settings = settings_of("vllm", one.url, server={"urls": [one.url, two.url]})
        with connect(settings) as teacher:
            assert min(len(one.requests), len(two.requests)) > 4
            assert teacher.description.probe["scores"] is True
        settings = settings_of("vllm", one.url, server={"urls": [one.url, other.url]})
        with pytest.raises(TeacherError, match=f"{one.url} and {other.url} differ: .*'scores': Tr"):
            connect(settings)
