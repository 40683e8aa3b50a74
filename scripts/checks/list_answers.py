"""Solutions drawn at random, with what was read in them, for checking by hand.

    python scripts/checks/list_answers.py SOLUTIONS.jsonl --count 100 --seed 6

Prints one line of JSON per solution: its number among the drawn, line and model in the file, gold,
the answer read in mode strict, whether it counts as right, and the solution.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from specialize.answers import find_answer, is_correct

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("solutions", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=6)
    options = parser.parse_args()
    records = [json.loads(line) for line in options.solutions.read_text().splitlines()]
    rng = np.random.default_rng(options.seed)
    drawn = rng.choice(len(records) * len(MODELS), size=options.count, replace=False)
    for number, at in enumerate(sorted(drawn.tolist())):
        line, model = divmod(at, len(MODELS))
        solution, gold = records[line][MODELS[model]]["solution"], records[line]["ground_truth"]
        shown = {
            "number": number,
            "line": line,
            "model": MODELS[model],
            "gold": gold.rsplit("A:", 1)[-1].strip(),
            "read": find_answer(solution, mode="strict"),
            "right": is_correct(solution, gold, mode="strict"),
            "solution": solution,
        }
        print(json.dumps(shown, ensure_ascii=False))


if __name__ == "__main__":
    main()
