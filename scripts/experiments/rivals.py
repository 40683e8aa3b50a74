"""Ours beside what others do: how near the truth, and how fast, in one run.

    python scripts/experiments/rivals.py DATA_DIR [--pairs gpt2:t5 ...] [--k 5 20] [--turns 3]
        [--second 150] [--json FILE]

The teacher, the texts and the truth are those of ``fidelity.py``. Between two byte-level BPEs the
truth is computed a second way at ``--second`` random positions of these (``exact_conversion.py``):
how far both oracles are apart, beside the mass that the first left unsettled.

Speed is positions of the student a second of processor time, one thread, projection of the first
300 test solutions with a projector that has seen nothing; ours reads these texts first, and that is
part of its time. Sides take turns, and the best turn of each counts.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from exact_conversion import Teacher, as_ids, convert, student_of
from fidelity import gsm8k_study

from align import Projector, SparseDistributions, one_hot, ragged
from specialize.pairs.fidelity import Study, Truth, compare_row, known_rows, truths

TIMED = 300  # texts whose projection is timed
EVERY, SHARE = 12, 0.2  # texts of the store and positions that fidelity.py looks at by default
PAIRS = (
    *("gpt2:t5", "gpt2:neox", "neox:gpt2", "gpt2:mistral", "neox:tiktoken", "tiktoken:neox"),
    *("gpt2:tiktoken", "tiktoken:gpt2", "mistral:neox", "neox:t5", "neox:mistral", "mistral:gpt2"),
)
OURS = "prefix"
POLICIES = ("one-to-one", "chunk", "byte-prefix", "prefix, by bytes alone", OURS, "prefix, cut")


def main() -> None:
    parser = argparse.ArgumentParser(description="Projection beside its rivals.")
    parser.add_argument("data", type=Path, help="folder with gsm8k/ and tokenizers/")
    parser.add_argument("--pairs", nargs="+", metavar="TEACHER:STUDENT", default=PAIRS)
    parser.add_argument("--k", type=int, nargs="+", default=(5, 20), help="entries of a row")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--second", type=int, default=150, help="positions of the second oracle")
    parser.add_argument("--json", type=Path, help="also write what was found here, as JSON")
    options = parser.parse_args()
    found = []
    for pair in options.pairs:
        found.append(study_pair(options, *pair.split(":")))
        print(json.dumps(found[-1], sort_keys=True), flush=True)
        if options.json:
            options.json.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def study_pair(options: argparse.Namespace, teacher: str, student: str) -> dict[str, object]:
    """Every policy at every k, both oracles, and the speeds."""
    study, store, held = gsm8k_study(options.data, EVERY, teacher, student)
    known = truths(study, SHARE)
    second = second_truths(study, known, options.second)
    lines = []
    for k in options.k:
        shard = ragged(study.written), known_rows(study.written, study.after, k)
        first = [side[:TIMED] for side in store]
        rows = known_rows(first[0], [study.after[0]] * TIMED, k)
        seconds = speeds(study, (ragged(first[0]), rows, ragged(first[1])), k, options.turns)
        for policy in POLICIES:
            projector = make(study, policy, k)
            if policy.startswith(OURS):
                projector.observe(ragged(store[0]), ragged(store[1]))
            made = projector.project(*shard, ragged(study.tokens))
            lines.append(
                {
                    "policy": policy,
                    "k": k,
                    "soft": float(made.is_soft[[item.row for item in known]].mean()),
                    "positions_a_second": sum(map(len, first[1])) / seconds[policy],
                    "tv": by_group(made.distributions, known),
                    "tv_of_second": by_group(made.distributions, second["exact"]),
                }
            )
        hard = one_hot(np.concatenate([np.array(tokens) for tokens in study.tokens]))
        lines.append({"policy": "one-hot", "k": k, "tv": by_group(hard, known)})
    return {
        "teacher": teacher,
        "student": student,
        "top_mass": held,
        "positions": {name: len(chosen) for name, chosen in groups_of(known).items()},
        "oracles": oracles_apart(known, second),
        "table": lines,
    }


def make(study: Study, policy: str, k: int) -> Projector:
    """A projector that has seen nothing."""
    source, target, encode = study.source, study.target.vocabulary(), study.target.encode_batch
    if policy == "prefix, by bytes alone":
        return Projector(source, target)
    if policy.startswith(OURS):
        return Projector(source, target, encode=encode, keep=None if policy == OURS else k)
    return Projector(source, target, policy=policy)  # type: ignore[arg-type]


def speeds(study: Study, shard: tuple, k: int, turns: int) -> dict[str, float]:
    """The processor seconds that each policy takes for ``shard``, in its best turn."""
    best: dict[str, float] = {}
    for _ in range(turns + 1):  # the first compiles
        for policy in POLICIES:
            projector = make(study, policy, k)
            started = time.process_time()
            if policy.startswith(OURS):
                projector.observe(shard[0], shard[2])
            projector.project(*shard)
            took = time.process_time() - started
            best[policy] = min(best.get(policy, np.inf), took)
    return best


def groups_of(known: Sequence[Truth]) -> dict[str, Sequence[Truth]]:
    """All positions, those inside a teacher's token, and numbers."""
    return {
        "all": known,
        "inside": [item for item in known if item.position.emitted],
        "number": [item for item in known if item.token_class == "number"],
    }


def by_group(rows: SparseDistributions, known: Sequence[Truth]) -> dict[str, float]:
    """Mean total variation from the truth."""
    return {
        name: float(np.mean([compare_row(rows, item)[0] for item in chosen]))
        for name, chosen in groups_of(known).items()
        if chosen
    }


def second_truths(study: Study, known: Sequence[Truth], count: int) -> dict[str, list[Truth]]:
    """The truth by exact conversion at ``count`` of the ``known`` positions (``exact``), and these
    positions as they are known (``first``)."""
    found: dict[str, list[Truth]] = {"exact": [], "first": []}
    student = student_of(study.target)
    if student is None or study.source.folds:
        return found
    chosen = np.random.default_rng(1).permutation(len(known))[:count]
    ends = np.cumsum([len(tokens) for tokens in study.tokens])
    teachers: dict[int, Teacher] = {}
    for item in (known[i] for i in sorted(chosen.tolist())):
        sample = int(np.searchsorted(ends, item.row, "right"))
        after = study.after[sample]
        teacher = teachers.setdefault(id(after), Teacher(study.source, after))
        read = student.encode(item.position.word, student.end)
        # the first oracle counts a run of whitespace as one byte, which this student does not
        if tuple(student.ids[piece] for piece in read) != item.position.read:
            continue
        mass, lost = convert(student, teacher, item.position)
        ids: Mapping[int, float] = as_ids(student, mass, study.target.eos)
        exact = Truth(item.row, item.position, ids, 1 - lost, item.token_class)
        found["exact"].append(exact)
        found["first"].append(item)
    return found


def oracles_apart(known: Sequence[Truth], second: Mapping[str, list[Truth]]) -> dict[str, object]:
    """How far the oracles are apart, as means and at most."""
    firsts, exact = second["first"], second["exact"]
    if not firsts:
        return {"settled": float(np.mean([item.resolved for item in known]))}
    apart = np.array([distance(a, b) for a, b in zip(firsts, exact, strict=True)])
    open_mass = np.array([1 - item.resolved for item in firsts])
    return {
        "positions": len(firsts),
        "apart": float(apart.mean()),
        "unsettled": float(open_mass.mean()),
        "beyond_unsettled_at_most": float((apart - open_mass).max()),
        "apart_where_settled": float(apart[open_mass < 0.001].mean()),
        "settled_positions": int((open_mass < 0.001).sum()),
        "lost_at_most": float(max(1 - item.resolved for item in exact)),
    }


def distance(one: Truth, other: Truth) -> float:
    """Total variation."""
    tokens = one.mass.keys() | other.mass.keys()
    return sum(abs(one.mass.get(v, 0.0) - other.mass.get(v, 0.0)) for v in tokens) / 2


if __name__ == "__main__":
    main()
