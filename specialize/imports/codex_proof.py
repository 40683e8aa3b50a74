r"""Whether the steps of a code-davinci-002 sample can be believed, and what of them is the answer.

    " step" "\n" | " Nat" ... " 7" | "\n" "\n"     what the bars cut off is the frame

A sample is skipped, with its reason, where it lacks the frame, where a token's bytes are not known,
where the sampled token and the service's list contradict each other, where its rows are not those
of its tokens (``placement``), and where the output beside the steps is not what they spell.
"""

from __future__ import annotations

import numpy as np

from specialize.imports.codex_steps import ROUNDING, Steps
from specialize.imports.placement import Evidence, fault_of, weigh

_HEAD, _TAIL = (b" step", b"\n"), (b"\n", b"\n")


def without_frame(sample: Steps) -> Steps | str:
    """The sample without its frame, or why it has to be skipped."""
    tokens = tuple(step.token for step in sample.steps)
    if len(tokens) <= len(_HEAD) + len(_TAIL):
        return "nothing inside the frame"
    if tokens[:2] != _HEAD:
        return "does not begin after ' step' and a newline"
    if tokens[-2:] != _TAIL:
        return "does not end with two newlines"
    return Steps(sample.question, sample.sample, sample.steps[2:-2], sample.asked, sample.shown)


def prove(sample: Steps) -> tuple[str | None, Evidence | None]:
    """Why the steps inside the frame are not believed, None where they are; and their evidence."""
    if any(step.token is None for step in sample.steps):
        return "a replacement character in place of a token's bytes", None
    for step in sample.steps:
        least = min(step.listed.values(), default=1.0)
        entry = step.listed.get(step.token or b"")
        if entry is None and step.probability > least + ROUNDING:
            return "a token is likelier than listed entries, but not listed", None
        if entry is not None and abs(entry - step.probability) > 2 * ROUNDING:
            return "a token and its entry differ", None
    spelled = b"".join(step.token or b"" for step in sample.steps).decode("utf-8", "replace")
    if sample.shown is not None and _bare(spelled) != _bare(sample.shown):
        return "the output is not what the steps spell", None
    evidence, fault = _placed(sample)
    return fault, evidence


def _bare(text: str) -> str:
    """``text`` without what the layout and parts of characters may change."""
    return "".join(text.replace("\ufffd", "").split())


def _placed(sample: Steps) -> tuple[Evidence, str | None]:
    steps = sample.steps
    pieces = {piece for step in steps for piece in step.listed}
    pieces |= {step.token for step in steps if step.token is not None}
    number = {piece: i for i, piece in enumerate(sorted(pieces))}
    shape = (len(steps), max(len(step.listed) for step in steps))
    ids, masses = np.zeros(shape, np.int64), np.zeros(shape)
    for row, step in enumerate(steps):
        ids[row, : len(step.listed)] = [number[piece] for piece in step.listed]
        masses[row, : len(step.listed)] = list(step.listed.values())
    tokens = np.array([number[step.token] for step in steps if step.token is not None])
    with np.errstate(divide="ignore"):
        logprobs = np.log(masses)
    evidence = weigh(tokens, ids, logprobs)
    return evidence, fault_of(evidence, tokens, ids, logprobs)
