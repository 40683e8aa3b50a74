"""Mode ``rationale``: what a teacher wrote is split into rationale and label, and judged.

    few-shot   prompt "... Q: <question>\\nA: "        text "<rationale> So the answer is (c) wood."
    forced     prompt "... Answer: (c) wood\\nRationale: ..."         text "<rationale>"

The sample keeps the rationale with its tokens and distributions, cut at a token boundary; the label
is its ``answer``. Without forcing a sample is correct if the label is the gold one; with forcing
the label is the given one unless the teacher announces another. Nothing is thrown away: the faults
of ``specialize.formats.quality`` are counted, and ``keep: sound`` leaves such rationales out.
"""

from __future__ import annotations

from dataclasses import replace

from specialize.answers import Kind, is_correct
from specialize.formats import read_rationale
from specialize.formats.labels import read_label
from specialize.formats.quality import rationale_fault
from specialize.records import Response
from specialize.store import Sample
from specialize.teacher.asks import Ask
from specialize.teacher.cutting import spelled, up_to
from specialize.teacher.protocol import ScoredText
from specialize.tokens import Tokenizer


def judge_rationale(
    ask: Ask,
    scored: ScoredText,
    tokenizer: Tokenizer,
    *,
    kind: Kind,
    forced: bool,
    with_prompt: bool,
) -> tuple[Sample, str | None]:
    """The sample to store, and the first fault of its rationale (None: it is sound).

    Args:
        kind: how answers of this set are compared.
        forced: the prompt gave the answer.
        with_prompt: store the prompt too: the samples of a question share it.
    """
    example, announced = ask.example, read_rationale(scored.text).answer
    kept = cut_to_rationale(scored, tokenizer)
    label, _ = read_label(announced, example, kind)
    if forced and announced is None:
        label = example.answer
    correct = None
    if example.answer:
        correct = label is not None and is_correct(
            label, example.answer, kind=kind, choices=example.choices
        )
    fault = rationale_fault(kept.text, example, kind)
    if fault is None and label is not None and correct is False:
        fault = "contradicts the answer"
    prompt = ask.prompt if with_prompt else ""
    response = Response(
        example.id, ask.sample, prompt, kept.text,
        answer=label, correct=correct, finished=kept.finished, thinking=kept.thinking,
    )  # fmt: skip
    return kept.sample(response), fault


def cut_to_rationale(scored: ScoredText, tokenizer: Tokenizer) -> ScoredText:
    """``scored`` up to the token in which its rationale ends; itself if nothing follows."""
    text = spelled(scored, tokenizer)
    if text is None:
        return scored
    end = read_rationale(text).end
    if end >= len(text.rstrip()):
        return scored
    ended = "answer" if scored.finish == "length" else scored.finish
    wanted = len(text[:end].encode("utf-8", "surrogateescape"))
    return replace(up_to(scored, wanted, tokenizer, end=False), finish=ended)
