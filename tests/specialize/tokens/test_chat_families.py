"""Chat templates of published models: ids as transformers gives them, contents that stay contents.

Every ordered pair of families is a teacher and a student: what the student is taught is what was
said, to the byte, closed by the end of its own turn, with no control token of either side inside.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from transformers import AutoTokenizer

from specialize.config.yaml_files import build_teacher
from specialize.errors import InputError
from specialize.formats.prompts import by_name
from specialize.records import ChatPrompt, Example, Message, Response
from specialize.rows.targets import Target
from specialize.rows.turns import with_turn_end
from specialize.store import Sample, Store, StoreDescription, StoreWriter
from specialize.targets.stage import write_targets
from specialize.teacher.framing import PromptReader, given_ids
from specialize.tokens import Tokenizer, load_tokenizer
from tests.support.chat_families import FAMILIES, TEXTS, family_tokenizer, write_family
from tests.support.store_samples import memory_folder, padded_sample

DAY = {"strftime_now": str(date.today())}  # what the library writes
CHATS = {
    "a question": [Message("user", "How many?")],
    "a system prompt": [Message("system", " Be brief.\n"), Message("user", "How many?")],
    "spaces at the edges": [Message("user", " 3 apples é½.\n\n"), Message("assistant", " 3. "),
                            Message("user", "\tAnd now?\n")],
    "system and turns": [Message("system", "Hi"), Message("user", "a"), Message("assistant", "b\n"),
                         Message("user", "c")],
    "thinking in history": [Message("user", "a"), Message("assistant", "b", "because"),
                            Message("user", "c")],
    "an answer": [Message("user", "a"), Message("assistant", "42")],
    "an answer with thinking": [Message("user", "a"), Message("assistant", "42", "6 * 7")],
    "an empty answer": [Message("user", "a"), Message("assistant", "")],
}  # fmt: skip
ARGUMENTS = [{}, {"enable_thinking": False}, {"enable_thinking": True}]


@cache
def family(name: str, root: Path) -> Path:
    return write_family(root / name, name)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("families")


@pytest.mark.parametrize("name", FAMILIES)
def test_ids_are_those_of_transformers(name: str, root: Path) -> None:
    folder = family(name, root)
    ours, theirs = load_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    compared = 0
    for turns in CHATS.values():
        if FAMILIES[name].refuses in [turn.role for turn in turns]:
            with pytest.raises(InputError, match="refuses messages of system"):
                ours.encode_chat(turns)
            continue
        answer = turns[-1].role == "user"
        for arguments in ARGUMENTS:
            wanted = theirs.apply_chat_template(
                [_as_library(turn) for turn in turns], add_generation_prompt=answer,
                return_dict=False, **arguments,
            )  # fmt: skip
            found = ours.encode_chat(turns, answer=answer, arguments={**arguments, **DAY})
            assert found == wanted, (turns, arguments)
            compared += 1
    assert compared >= 18


def _as_library(turn: Message) -> dict[str, object]:
    named = {"reasoning_content": turn.thinking} if turn.thinking else {}
    return {**turn.as_json(), **named}


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_user_writes_opens_no_turn(name: str, root: Path) -> None:
    """Control tokens of this and every other family, written by a user, are text."""
    tokenizer, of = load_tokenizer(family(name, root)), FAMILIES[name]
    foreign = sorted({token for each in FAMILIES.values() for token in each.special + each.plain})
    plain, written = (
        tokenizer.encode_chat([Message("user", text)], arguments=DAY)
        for text in ("x", f"x {' '.join(foreign)}")
    )
    control = {tokenizer._backend.token_to_id(token) for token in of.special + of.plain}
    assert [i for i in written if i in control] == [i for i in plain if i in control]
    spelled = b"".join(tokenizer.pieces(written)).decode().replace("▁", " ")
    assert all(token.replace("▁", " ") in spelled for token in foreign)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_turn_ends_as_the_model_ends_it(name: str, root: Path) -> None:
    tokenizer = load_tokenizer(family(name, root))
    assert tokenizer.turn_end == tokenizer._backend.token_to_id(FAMILIES[name].end)
    assert tokenizer.turn_end in tokenizer.ends


@pytest.mark.parametrize("name", FAMILIES)
def test_a_given_answer_is_scored_where_the_template_puts_it(name: str, root: Path) -> None:
    """Behind what the template writes before it, as a closed block of thinking or a channel."""
    folder = family(name, root)
    tokenizer, theirs = load_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    asked = ChatPrompt((Message("user", "How many?"),), DAY)
    for text in TEXTS:
        [(head, tokens)] = given_ids(PromptReader(tokenizer), [asked], [text])
        said = [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": text}]
        whole = theirs.apply_chat_template(said, return_dict=False)
        end = max(i for i, token in enumerate(whole) if token == tokenizer.turn_end)
        if "</think>" not in tokenizer.decode(list(head)):
            assert [*head, *tokens] == whole[:end]
        assert b"".join(tokenizer.pieces(tokens)).decode() == text
        assert not set(tokens) & set(tokenizer.special_tokens().values())


def responses(folder: Path, teacher: Tokenizer) -> Store:
    """What a teacher said in chats: its text's tokens and the end of its turn, with two rivals."""
    control = sorted(set(teacher.special_tokens().values()) - {teacher.turn_end, teacher.eos})
    samples: list[Sample] = []
    for number, text in enumerate(TEXTS):
        tokens = np.array([*teacher.encode(text), teacher.turn_end])
        rival = teacher.encode("q")[-1]
        ids = np.stack([tokens, np.full(len(tokens), rival), np.full(len(tokens), control[0])], 1)
        masses = np.log(np.tile([0.9, 0.05, 0.04], (len(tokens), 1))).astype(np.float32)
        tail = np.full(len(tokens), np.log(0.01), np.float32)
        response = Response(f"q{number}", 0, "", text, None, True)
        samples.append(
            padded_sample(response, tokens, masses[:, 0], ids.astype(np.int64), masses, tail)
        )
    about = StoreDescription(
        kind="responses", teacher="t", tokenizer=teacher.name, fingerprint=teacher.fingerprint,
        vocabulary_size=teacher.size, k=3,
        settings={"tail": "exact", "ends": list(teacher.ends)},
    )  # fmt: skip
    with StoreWriter(folder, about, shard_samples=9) as writer:
        writer.write(0, samples)
        writer.finish(teacher.vocabulary(), {})
    return Store.open(folder)


def check_pair(teacher: str, student: str, root: Path) -> None:
    """A teacher's chats as targets of a student: contents exact, ends by role, no control token."""
    source, learner = (load_tokenizer(family(name, root)) for name in (teacher, student))
    with memory_folder() as folder:
        responses(folder / "said", source)
        write_targets(folder / "said", folder / "targets", student=str(family(student, root)),
                      top_k=3)  # fmt: skip
        targets = Store.open(folder / "targets")
        forbidden = {
            learner._backend.token_to_id(token)
            for token in FAMILIES[student].special + FAMILIES[student].plain
        } - {learner.turn_end}
        for number, text in enumerate(TEXTS):
            stored = targets[f"q{number}", 0]
            taught = with_turn_end(
                Target(stored.response, 0, stored.token_id, stored.distributions), learner
            )
            ids, rows = taught.ids.tolist(), taught.distributions
            assert ids[:-1] == learner.encode(text)
            assert ids[-1] == learner.turn_end
            if source.fingerprint == learner.fingerprint:
                continue  # rows of one tokenizer are the teacher's own, its control tokens as well
            assert not set(rows.ids.tolist()) & forbidden
            last = rows.ids[rows.indptr[-2] :].tolist()
            assert last[0] == learner.turn_end
            assert np.exp(rows.logprobs[rows.indptr[-2]]) >= 0.9 - 1e-3


NEXT = dict(zip(FAMILIES, [*list(FAMILIES)[1:], *list(FAMILIES)[:1]], strict=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_teaches_the_next(name: str, root: Path) -> None:
    check_pair(name, NEXT[name], root)


DOCUMENTED = {"llama": "llama3", "gemma": "gemma2", "mistral": "mistral_v3",
              "phi": "phi4", "deepseek": "deepseek_r1_distil",
              "granite": "granite3_3", "olmo": "olmo2"}  # fmt: skip


def test_documented_teachers_of_each_family_render() -> None:
    """The examples of docs/teachers.md, each with its family's template."""
    page = (Path(__file__).parents[3] / "docs" / "teachers.md").read_text(encoding="utf-8")
    found = re.search(r"One teacher of each kind.*?```yaml\n(.*?)```", page, re.DOTALL)
    assert found is not None
    teachers = yaml.safe_load(found.group(1))["teachers"]
    assert len(teachers) == 11
    for name, values in teachers.items():
        asked = build_teacher(values, ())
        count = asked.num_fewshot
        shown = [Example(f"d{i}", "1 + 1?", "2", rationale="1 + 1 = 2.") for i in range(count)]
        style = by_name(asked.format, count, chat=asked.chat.style)
        prompt = style.prompt(Example("e", "3 + 4?", "7"), shown)
        tokenizer = family_tokenizer(DOCUMENTED.get(name, name))
        assert tokenizer.encode_chat(prompt.messages, arguments=prompt.arguments)
