"""What a micro-batch costs whatever it holds, in padded tokens: what a plan weighs padding against.

On a processor a pass moves every weight and gradient once, and the tables of the vocabulary several
times (the gradient of an embedding is as large as its table), while a token computes with the
weights on its way alone: half of an encoder-decoder's body, none of its tables. So a small model
over a large vocabulary wants few and large micro-batches, a large one hardly any padding::

    width 64, 2 + 2 layers, 32,128 entries      some 1,100 tokens
    T5-small, 60 million parameters             some 170

The rates were measured on one core; only their proportions matter. The result follows from the
model's sizes alone, so that a resumed run parts its steps as before.
"""

from __future__ import annotations

from specialize.students.student import Student

_ACCELERATOR = 1024  # tokens that take as long as starting a pass
_PASS, _PASS_PER_MILLION = 10_000, 3_500  # microseconds, and for each million parameters
_TOKEN, _TOKEN_PER_MILLION = 15, 70  # the same of one more position


def pass_overhead(student: Student, device: str) -> int:
    """Padded tokens that take as long as one more micro-batch does.

    Args:
        device: where the student is trained, as torch names its type.
    """
    if device != "cpu":
        return _ACCELERATOR
    model = student.model
    embeddings = model.get_input_embeddings().get_parameter("weight")
    tables = {id(table): table.numel() for table in (embeddings, student.projection)}
    every = sum(parameter.numel() for parameter in student.parameters())
    body = (every - sum(tables.values())) / (2 if student.shape.encoder_decoder else 1)
    spent = _PASS + _PASS_PER_MILLION * every / 1e6
    return round(spent / (_TOKEN + _TOKEN_PER_MILLION * body / 1e6))
