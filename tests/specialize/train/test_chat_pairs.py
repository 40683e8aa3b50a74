"""Chats from dump to loss: chat teacher and student, a plain student, a plain teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from specialize.config.recipe import Recipe
from specialize.config.recipe import Teacher as TeacherSettings
from specialize.config.yaml_files import build_recipe, build_teacher
from specialize.errors import ConfigurationError
from specialize.formats import by_name
from specialize.records import ChatPrompt
from specialize.rows import RowSet, build_rows
from specialize.store import Store
from specialize.targets.stage import write_targets
from specialize.teacher.dump import dump
from specialize.teacher.local.teacher import load_teacher
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.store_samples import topk_logprob

EXAMPLES = toys.examples(3)
CHAT = {"system": "Be brief.", "arguments": {"brief": True}}
WIDTH = 355  # most entries of a row: nearly all ids, so that little is in the tail


def settings(**changes: object) -> TeacherSettings:
    values = {"model": "toy", "mode": "score", "format": "chat-cot", "chat": CHAT}
    return build_teacher({**values, "top_logprobs": WIDTH, **changes}, ())


def scored(folder: Path, model: Path, **changes: object) -> Path:
    dump(load_teacher(str(model)), EXAMPLES, folder, settings(**changes))
    return folder


def rows_of(folder: Path, responses: Path, student: Path, format_: str) -> RowSet:
    write_targets(responses, folder, student=str(student), top_k=WIDTH)
    recipe: Recipe = build_recipe(
        {
            "student": str(student), "train_on": {"set": "jsonl"}, "teachers": {"toy": {}},
            "chat": CHAT,
            "objectives": [{"name": "all", "format": format_, "target": "distribution",
                            "teacher": "toy", "keep": "all"}],
        }
    )  # fmt: skip
    tokenizer = load_tokenizer(student)
    stores = {"toy": Store.open(folder)}
    return build_rows(recipe, EXAMPLES, stores, tokenizer, encoder_decoder=student == toys.t5())


@pytest.fixture(scope="module")
def responses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scored(tmp_path_factory.mktemp("chat") / "responses", toys.chat())


def test_a_chat_teachers_rows_are_those_of_transformers(responses: Path) -> None:
    """Row by row, in float32, of what ``apply_chat_template`` makes of the whole chat."""
    model = AutoModelForCausalLM.from_pretrained(toys.chat()).eval()
    library = AutoTokenizer.from_pretrained(toys.chat())
    store = Store.open(responses)
    form = by_name("chat-cot")
    for example in EXAMPLES:
        sample = store[example.id, 0]
        prompt = sample.response.prompt
        assert isinstance(prompt, ChatPrompt)
        said = {"role": "assistant", "content": form.target(example.rationale, example.answer)}
        turns = [turn.as_json() for turn in prompt.messages]
        head = library.apply_chat_template(
            turns, add_generation_prompt=True, return_dict=False, **CHAT["arguments"]
        )
        tokens = sample.token_id.tolist()
        assert library.decode(tokens[:-1]) == said["content"]
        assert tokens[-1] in load_tokenizer(toys.chat()).ends
        with torch.no_grad():
            logits = model(torch.tensor([[*head, *tokens]])).logits[0].float()
        log_p = logits.log_softmax(-1)[len(head) - 1 : -1]
        np.testing.assert_allclose(
            topk_logprob(sample)[:, :20], log_p.topk(20).values, atol=5e-3
        )  # what float16 of the store leaves


def test_the_store_says_which_template_and_holds_the_turns(responses: Path) -> None:
    store = Store.open(responses)
    template = load_tokenizer(toys.chat()).chat
    assert store.description.settings["chat"] == {
        "template": template.digest, "arguments": {"brief": True},
    }  # fmt: skip
    prompt = store[EXAMPLES[0].id, 0].response.prompt
    assert [turn.role for turn in prompt.messages] == ["system", "user"]
    assert str(prompt).startswith("[system]\nBe brief.\n\n[user]\nTom has 3 apples")


def test_another_template_or_argument_is_refused_by_its_name(
    tmp_path: Path, responses: Path
) -> None:
    other = {**CHAT, "arguments": {"brief": False}}
    with pytest.raises(ConfigurationError, match=r"settings\.chat\.arguments\.brief: True"):
        scored(responses, toys.chat(), chat=other)
    teacher = load_teacher(str(toys.chat()))
    changed = tmp_path / "changed"
    load_tokenizer(toys.chat()).save(changed)
    (changed / "chat_template.jinja").write_text(toys.CHAT + "\n{# another #}")
    teacher._tokenizer = load_tokenizer(changed)
    with pytest.raises(ConfigurationError, match=r"settings\.chat\.template"):
        dump(teacher, EXAMPLES, responses, settings())


@pytest.mark.parametrize("format_", ["chat-cot", "zero-shot-cot"])
def test_a_student_that_is_the_teacher_begins_at_its_rows(
    tmp_path: Path, responses: Path, format_: str
) -> None:
    """KL of every row, the end's included, before the first step; in another format it is not."""
    made = rows_of(tmp_path / "targets", responses, toys.chat(), format_)
    model = AutoModelForCausalLM.from_pretrained(toys.chat()).eval()
    tokenizer = load_tokenizer(toys.chat())
    worst = 0.0
    for row in made.rows:
        if format_ == "chat-cot":
            assert row.target_ids[-1] == tokenizer.turn_end
        ids = torch.from_numpy(np.concatenate([row.prompt_ids, row.target_ids]).astype(np.int64))
        with torch.no_grad():
            log_q = model(ids[None]).logits[0].log_softmax(-1)[len(row.prompt_ids) - 1 : -1]
        for at in range(len(row.target_ids)):
            one = row.distributions[at : at + 1]
            p = np.exp(one.logprobs.astype(np.float64))
            kl = (p * (one.logprobs - log_q[at, one.ids.astype(np.int64)].double().numpy())).sum()
            worst = max(worst, abs(kl))
    assert len(made.rows) == 3
    assert (worst <= 0.01) == (format_ == "chat-cot")


def test_a_plain_student_of_a_chat_teacher(tmp_path: Path, responses: Path) -> None:
    made = rows_of(tmp_path / "targets", responses, toys.t5(), "zero-shot-cot")
    tokenizer = load_tokenizer(toys.t5())
    control = [*load_tokenizer(toys.chat()).special_tokens().values()]
    assert len(made.rows) == 3
    assert len(control) > 2
    for row in made.rows:
        assert row.target_ids[-1] == row.prompt_ids[-1] == tokenizer.eos
        assert "The answer is" in tokenizer.decode(row.target_ids.tolist())
        np.testing.assert_allclose(row.distributions.mass(), 1, atol=1e-2)


def test_a_chat_student_of_a_plain_teacher(tmp_path: Path) -> None:
    """Its own turn's end has the mass of whatever ended the teacher's texts."""
    plain = scored(tmp_path / "responses", toys.llama(), format="zero-shot-cot", chat={})
    made = rows_of(tmp_path / "targets", plain, toys.chat(), "chat-cot")
    tokenizer = load_tokenizer(toys.chat())
    stored = Store.open(tmp_path / "targets")
    assert len(made.rows) == 3
    for row in made.rows:
        before = stored[row.key].distributions
        assert row.target_ids[-1] == tokenizer.turn_end
        assert tokenizer.eos not in row.target_ids
        assert tokenizer.decode(row.prompt_ids.tolist()).endswith("assistant\nBrief: ")
        np.testing.assert_array_equal(row.distributions.logprobs, before.logprobs)
        assert (row.distributions.ids == tokenizer.turn_end).sum() == (
            before.ids == tokenizer.eos
        ).sum()


def test_a_model_without_template_is_refused_in_one_line(tmp_path: Path, responses: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no chat template"):
        rows_of(tmp_path / "targets", responses, toys.t5(), "chat-cot")
    with pytest.raises(ConfigurationError, match="has no chat template"):
        scored(tmp_path / "responses", toys.t5())
