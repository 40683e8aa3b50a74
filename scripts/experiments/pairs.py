"""What ``specialize pair`` forecasts against what is then measured, for pairs of vocabularies.

    python scripts/experiments/pairs.py DATA_DIR [--pairs gpt2:t5 ...] [--texts 200 1300]
        [--json FILE]

The forecast knows the two tokenizers and GSM8K training solutions. What it is held against is
``fidelity.py``: another n-gram teacher, on GSM8K test solutions, rows projected by the default
policy and cut to k. Without ``--pairs`` every ordered pair of DATA's tokenizers is tried. Soft
shares are those of rows in which every written token is stored, as in both.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
from fidelity import Texts, gsm8k_study, solutions, tokenizer_path

from align import Projector, ragged
from specialize.pairs.evidence import Given, assume
from specialize.pairs.fidelity import (
    Study,
    Truth,
    compare_row,
    error_by_text,
    known_rows,
    truths,
)
from specialize.pairs.forecast import SIZES, forecast
from specialize.tokens import load_tokenizer

NEAR = 0.02  # of total variation: what a forecast may miss by
EVERY, SHARE = 4, 0.3  # texts of the store and positions: the reference errs by about .005


def main() -> None:
    parser = argparse.ArgumentParser(description="Forecasts of pairs against measurements.")
    parser.add_argument("data", type=Path, help="folder with gsm8k/ and tokenizers/")
    parser.add_argument("--pairs", nargs="+", metavar="TEACHER:STUDENT")
    parser.add_argument("--texts", type=int, nargs="+", default=(200, 1300))
    parser.add_argument("--json", type=Path, help="also write the lines here, as JSON")
    options = parser.parse_args()
    names = sorted(path.name for path in (options.data / "tokenizers").iterdir() if path.is_dir())
    pairs = [tuple(p.split(":")) for p in options.pairs or ()] or list(permutations(names, 2))
    lines = []
    for teacher, student in pairs:
        for line in compare(options.data, teacher, student, options.texts):
            lines.append(line)
            print(json.dumps(line, sort_keys=True), flush=True)
    for count in options.texts:
        apart = [abs(line["tv"] - line["tv_forecast"][str(count)]) for line in lines]
        near = sum(difference <= NEAR for difference in apart)
        print(f"from {count} texts {near} of {len(apart)} within {NEAR}, the last {max(apart):.4f}")
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1, sort_keys=True) + "\n")


def compare(
    data: Path, teacher: str, student: str, counts: tuple[int, ...]
) -> list[dict[str, object]]:
    """One line for each k."""
    started = time.process_time()
    study, store, _ = gsm8k_study(data, EVERY, teacher, student)
    known = truths(study, SHARE)
    measured = {k: _measure(study, store, known, k) for k in SIZES}
    source, target = (load_tokenizer(tokenizer_path(data, name)) for name in (teacher, student))
    training = solutions(data / "gsm8k" / "train.jsonl")
    forecasts = {
        count: {
            size.k: size.all
            for size in forecast(assume(source, [Given(t) for t in training[:count]]), target).sizes
        }
        for count in counts
    }
    seconds = time.process_time() - started
    return [
        {
            "teacher": teacher,
            "student": student,
            "k": k,
            "tv": distance,
            "tv_error": error,
            "soft": soft,
            "tv_forecast": {
                str(count): found[k].total_variation for count, found in forecasts.items()
            },
            "tv_forecast_error": {str(count): found[k].error for count, found in forecasts.items()},
            "soft_forecast": {
                str(count): found[k].soft_share for count, found in forecasts.items()
            },
            "seconds": seconds,
        }
        for k, (distance, error, soft) in measured.items()
    ]


def _measure(
    study: Study, store: Texts, known: Sequence[Truth], k: int
) -> tuple[float, float, float]:
    """Total variation and its standard error, and the share of soft rows, as ``fidelity.py``
    measures them for rows cut to k."""
    encode = study.target.encode_batch
    projector = Projector(study.source, study.target.vocabulary(), encode=encode, keep=k)
    projector.observe(ragged(store[0]), ragged(store[1]))
    rows, tokens = known_rows(study.written, study.after, k), ragged(study.tokens)
    made = projector.project(ragged(study.written), rows, tokens)
    at = np.array([item.row for item in known])
    distances = np.array([compare_row(made.distributions, item)[0] for item in known])
    text = np.repeat(np.arange(len(tokens)), tokens.lengths)[at]
    return (
        float(distances.mean()),
        error_by_text(distances, text),
        float(made.is_soft[at].mean()),
    )


if __name__ == "__main__":
    main()
