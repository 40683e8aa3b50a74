"""The lighter arithmetic of training is the library's: values, gradients, names of weights."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM, PreTrainedModel

from specialize.students.arithmetic import RootMeanSquareNorm, lighten
from tests.support.evaluation_toys import tiny_gpt2
from tests.support.toys import t5_config


def tiny_t5(**changed: object) -> PreTrainedModel:
    config = {**t5_config(30, dropout=0.0), **changed}
    torch.manual_seed(3)
    built: PreTrainedModel = AutoModelForSeq2SeqLM.from_config(
        AutoConfig.for_model(str(config.pop("model_type")), **config)
    )
    return built


def gradients(model: PreTrainedModel, *, padded: bool) -> dict[str, torch.Tensor]:
    """Logits and gradients of a model over two texts, the second padded."""
    torch.manual_seed(1)
    ids = torch.randint(3, 30, (2, 7))
    mask = torch.ones_like(ids)
    mask[1, 5 if padded else 7 :] = 0
    decoder = (
        {"decoder_input_ids": torch.randint(3, 30, (2, 4))}
        if model.config.is_encoder_decoder
        else {}
    )
    model.zero_grad()
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False, **decoder).logits
    kept = logits if decoder else logits[mask.bool()]
    (kept * torch.linspace(-1, 1, kept.shape[-1])).logsumexp(-1).sum().backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"logits": kept.detach(), **found}


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    "model",
    [
        tiny_t5,
        lambda: tiny_t5(feed_forward_proj="relu"),
        lambda: tiny_t5(model_type="mt5"),
        lambda: tiny_gpt2(seed=8),
    ],
    ids=["t5", "t5-relu", "mt5", "gpt2"],
)
def test_values_and_gradients_are_those_of_the_library(model: object, padded: bool) -> None:
    assert callable(model)
    plain, light = model().train(), model().train()
    lighten(light)
    wanted, found = gradients(plain, padded=padded), gradients(light, padded=padded)
    assert list(found) == list(wanted)
    assert list(light.state_dict()) == list(plain.state_dict())
    for name, value in wanted.items():
        apart = (found[name] - value).abs().max() / value.abs().max().clamp(min=1e-3)
        assert apart < 2e-5, f"{name}: {apart}"


def test_a_norm_has_the_gradient_of_its_formula() -> None:
    torch.manual_seed(0)
    norm = RootMeanSquareNorm(torch.nn.Parameter(torch.randn(5).double()), 1e-3)
    states = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *both: torch.func.functional_call(norm, {"weight": both[1]}, (both[0],)),
        (states, norm.weight),
    )
    states = torch.zeros(1, 5, dtype=torch.float64, requires_grad=True)
    norm(states).sum().backward()
    assert states.grad is not None
    assert states.grad.isfinite().all()


def test_what_is_saved_does_not_show_it() -> None:
    model = tiny_t5()
    before = model.config.to_json_string()
    lighten(model)
    assert model.config.to_json_string() == before


def test_dropout_stays_where_it_was() -> None:
    model = tiny_t5(dropout_rate=0.5).train()
    lighten(model)
    torch.manual_seed(0)
    once = gradients(model, padded=False)["logits"]
    model.eval()
    assert not torch.equal(once, gradients(model, padded=False)["logits"])
