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
from itertools import permutations
from pathlib import Path

from fidelity import gsm8k_study, measure, solutions, tokenizer_path

from specialize.pairs.evidence import Given, assume
from specialize.pairs.fidelity import truths
from specialize.pairs.forecast import SIZES, forecast
from specialize.tokens import load_tokenizer

EVERY, SHARE = 12, 0.2  # texts of the store and positions that fidelity.py looks at by default


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
    worst = {
        count: max(abs(line["tv"] - line["tv_forecast"][str(count)]) for line in lines)
        for count in options.texts
    }
    print(f"largest difference of total variation by number of texts: {worst}")
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1, sort_keys=True) + "\n")


def compare(
    data: Path, teacher: str, student: str, counts: tuple[int, ...]
) -> list[dict[str, object]]:
    """One line for each k."""
    started = time.process_time()
    study, store, _ = gsm8k_study(data, EVERY, teacher, student)
    known = truths(study, SHARE)
    measured = {
        line.k: line
        for k in SIZES
        for line in measure(study, store, known, k)
        if (line.policy, line.token_class) == (f"prefix, cut to {k}", "all")
    }
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
            "tv": line.tv,
            "soft": line.soft_share,
            "tv_forecast": {
                str(count): found[k].total_variation for count, found in forecasts.items()
            },
            "soft_forecast": {
                str(count): found[k].soft_share for count, found in forecasts.items()
            },
            "seconds": seconds,
        }
        for k, line in measured.items()
    ]


if __name__ == "__main__":
    main()
