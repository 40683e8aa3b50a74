"""X11: a pretrained teacher and students cut from it, in its vocabulary and in others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from specialize import datasets
from specialize.config.recipe import (
    Alignment,
    Dataset,
    Evaluation,
    EvaluationSet,
    Objective,
    Optimization,
    Recipe,
    Running,
    Teacher,
    Training,
)
from specialize.errors import InputError
from specialize.experiments.design import (
    INPUTS,
    STORES,
    Arm,
    Contrast,
    Experiment,
    Outcome,
    Quantity,
    Scale,
)
from specialize.formats import by_name
from specialize.pipeline import prepare_stores
from specialize.store import Store, link_store
from specialize.tokens import load_tokenizer

SCRIPT = "scripts/real_experiments.sh"
TEACHER, FORMAT = "smollm2", "zero-shot-cot"
_HUMAN, _OWN = "human text", "the teacher's text"
_NATS = {kind: f"nats a byte, {kind}" for kind in (_HUMAN, _OWN)}
_TEACHERS = {kind: f"the teacher's nats a byte, {kind}" for kind in (_HUMAN, _OWN)}
_KL = {kind: f"KL from the teacher, {kind}" for kind in (_HUMAN, _OWN)}
_FIRST = {kind: f"same first choice, {kind}" for kind in (_HUMAN, _OWN)}
_SURE = {kind: f"overconfidence, {kind}" for kind in (_HUMAN, _OWN)}
_VOCABULARIES = {"own": "its own", "t5": "T5's", "gpt2": "GPT-2's"}
_BETWEEN = 72  # steps of a control: text that is stopped before it is learnt by heart
_SLOWER = "a quarter of the rate"  # another: text at a rate that may suit it better
_LONGER, _LONG = ("own", "t5"), 192  # vocabularies with a longer training, too; its steps


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything.

    Attributes:
        texts: of the teacher that are learnt. tokens: of the longest.
        held_out: texts of either kind that are measured.
        examples: short problems of either set. steps: of ``rows`` rows. rate: peak learning rate.
    """

    texts: int
    held_out: int
    examples: int
    steps: int
    rows: int
    rate: float
    tokens: int = 160


SIZE = Size(texts=72, held_out=20, examples=10, steps=24, rows=4, rate=1e-3)


def prepare(size: Size, folder: Path, questions: int, examples: int) -> None:
    """The problems, the teacher's texts, and what it says of held-out ones; what is there stays.

    Args:
        folder: has the models and the published sets already.
        questions: whose texts are learnt. examples: short problems of either set.

    Raises:
        InputError: there are no models or sets; names the script that puts them there.
    """
    wanted = ["models/teacher", "data", *(f"models/{name}" for name in _VOCABULARIES)]
    missing = [name for name in wanted if not (folder / name).is_dir()]
    if missing:
        raise InputError(f"{folder} has no {', '.join(missing)}; run {SCRIPT} first")
    _write_questions(folder, questions, size.held_out, examples)
    for part in ("train", "held_out"):
        _dump(size, folder, part)
    if not (folder / STORES / TEACHER).is_dir():
        link_store(_dumped(folder, "train"), folder / STORES / TEACHER)
    from specialize.experiments import text_quantities as measured  # torch is slow to import

    for kind, asked in _held_out(folder).items():
        path = _texts(folder, kind)
        if not path.is_file():
            measured.keep_teacher(folder / "models" / "teacher", path, asked)


def _texts(folder: Path, kind: str) -> Path:
    return folder / "held_out" / f"{'human' if kind == _HUMAN else 'teacher'}.jsonl"


def _questions(folder: Path, part: str) -> Path:
    return folder / "questions" / f"{part}.jsonl"


def _write_questions(folder: Path, questions: int, held_out: int, examples: int) -> None:
    data = folder / "data"
    short = [
        datasets.load("svamp", str(data / "svamp" / "SVAMP.json")),
        datasets.load("multiarith", str(data / "multiarith" / "MultiArith.json")),
    ]
    parts = {
        "train": datasets.load("gsm8k", str(data / "gsm8k" / "train.jsonl"))[:questions],
        "held_out": datasets.load("gsm8k", str(data / "gsm8k" / "test.jsonl"))[:held_out],
        "short.test": [each for found in short for each in found[:examples]],
        "short.validation": [each for found in short for each in found[examples : 2 * examples]],
    }
    for part, found in parts.items():
        if not _questions(folder, part).is_file():
            datasets.write_jsonl(_questions(folder, part), found)


def _dump(size: Size, folder: Path, part: str) -> None:
    """The teacher's texts to one part's questions, drawn from its distribution as it is."""
    model = str(folder / "models" / "teacher")
    asked = Teacher(
        model=model, format=FORMAT, temperature=1, max_new_tokens=size.tokens, top_logprobs=20
    )
    base = base_recipe(size, folder)
    on = base.train_on.model_copy(update={"path": str(_questions(folder, part))})
    recipe = base.model_copy(update={"teachers": {TEACHER: asked}, "train_on": on})
    prepare_stores(recipe, folder / "dumps" / part, last="responses")


def _dumped(folder: Path, part: str) -> Path:
    return folder / "dumps" / part / "responses" / TEACHER


def _held_out(folder: Path) -> Mapping[str, Sequence[tuple[str, str, bool]]]:
    """Prompt, text and whether it has an end: people's solutions, and the teacher's."""
    form = by_name(FORMAT)
    examples = {e.id: e for e in datasets.load("jsonl", str(_questions(folder, "held_out")))}
    store = Store.open(_dumped(folder, "held_out"))
    responses = [response for shard in store.shards() for response in shard.responses]
    return {
        _HUMAN: [
            (str(form.prompt(e)), form.target(e.rationale, e.answer), True)
            for e in examples.values()
        ],
        _OWN: [(str(form.prompt(examples[r.example_id])), r.text, r.finished) for r in responses],
    }


def base_recipe(size: Size, folder: Path) -> Recipe:
    """Rows in the teacher's own vocabulary; the arms change student, target and projection."""
    short = EvaluationSet(
        set="jsonl", name="short", role="out-of-distribution", protocol="files", kind="number",
        path=str(folder / "questions" / "short.{split}.jsonl"),
    )  # fmt: skip
    return Recipe(
        student=str(folder / "models" / "own"),
        train_on=Dataset(set="jsonl", path=str(_questions(folder, "train"))),
        teachers={TEACHER: Teacher()},
        objectives=(
            Objective(
                name="cot", format=FORMAT, target="distribution", teacher=TEACHER, keep="all"
            ),
        ),
        alignment=Alignment(top_k=20),
        training=Training(checkpoint_every=size.steps),
        optimization=Optimization(
            steps=size.steps, learning_rate=size.rate, warmup_steps=min(10, size.steps // 6),
            batch_rows=size.rows, accumulation=1, precision="bf16",
        ),
        running=Running(packing=True),
        evaluation=Evaluation(sets=(short,), formats=(FORMAT,), max_new_tokens=48),
    )  # fmt: skip


def quantify(_recipe: Recipe, folder: Path, checkpoint: Path) -> Mapping[str, list[float]]:
    """Every quantity of one student, by role; the teacher's own nats beside them."""
    from specialize.experiments import text_quantities as measured  # torch is slow to import

    model, tokenizer = measured.open_model(checkpoint)
    own = tokenizer.fingerprint == load_tokenizer(folder / "models" / "teacher").fingerprint
    found: dict[str, list[float]] = {}
    for kind in (_HUMAN, _OWN):
        path = _texts(folder, kind)
        asked = measured.read_asked(path)
        said = np.load(path.with_suffix(".npy"), mmap_mode="r", allow_pickle=False) if own else None
        values = measured.of_texts(model, tokenizer, asked, teacher=said)
        sizes = [len(one.text.encode()) for one in asked]
        nats = {_NATS[kind]: values["nats"], _TEACHERS[kind]: [one.nats for one in asked]}
        for role, of_each in nats.items():
            found[role] = [each / size for each, size in zip(of_each, sizes, strict=True)]
        found[_SURE[kind]] = values["overconfidence"]
        if own:
            found[_KL[kind]], found[_FIRST[kind]] = values["kl"], values["same_first"]
    return {role: [round(value, 5) for value in each] for role, each in found.items()}


def _arms() -> Iterator[Arm]:
    text = "objectives.0.target=rationale"
    half = "training.hard_label_weight=0.5"
    for name in _VOCABULARIES:
        student = f"student={Path(INPUTS) / 'models' / name}"
        base = f"{name} text"
        yield Arm(base, (student, text))
        if name != "own":  # there every projection is the identity
            yield Arm(f"{name} one-to-one", (student, "alignment.policy=one-to-one"), base)
        yield Arm(f"{name} rows", (student,), base)
        yield Arm(f"{name} mixture", (student, half), base)
    steps = _steps(_LONG)
    for name in _LONGER:
        student = f"student={Path(INPUTS) / 'models' / name}"
        base = f"{name} text {_LONG}"
        yield Arm(base, (student, text, *steps))
        if name != "own":
            one_to_one = "alignment.policy=one-to-one"
            yield Arm(f"{name} one-to-one {_LONG}", (student, one_to_one, *steps), base)
        yield Arm(f"{name} rows {_LONG}", (student, *steps), base)
        yield Arm(f"{name} text {_BETWEEN}", (student, text, *_steps(_BETWEEN)), base)
        if name == "own":
            slower = f"optimization.learning_rate={SIZE.rate / 4}"
            yield Arm(f"{base} {_SLOWER}", (student, text, *steps, slower), base)


def _steps(count: int) -> tuple[str, str]:
    """The overrides of an arm with another number of steps."""
    return f"optimization.steps={count}", f"training.checkpoint_every={count}"


def _contrasts() -> Iterator[Contrast]:
    for name in _VOCABULARIES:
        where, text, rows = _VOCABULARIES[name], f"{name} text", f"{name} rows"
        for kind in (_HUMAN, _OWN):
            yield _fewer(f"{where} vocabulary: rows leave fewer than text", rows, text, _NATS[kind])
        if name == "own":
            for kind in (_HUMAN, _OWN):
                yield _fewer(
                    f"{where} vocabulary: rows leave less than text", rows, text, _KL[kind]
                )
                claim = f"{where} vocabulary: rows agree more often than text"
                yield Contrast(claim, (rows,), (text,), _FIRST[kind])
        else:
            projections = f"{where} vocabulary: the prefix projection leaves fewer than one-to-one"
            for kind in (_HUMAN, _OWN):
                yield _fewer(projections, rows, f"{name} one-to-one", _NATS[kind])
        for other in (text, rows):
            claim = f"{where} vocabulary: the mixture leaves fewer than {other.split()[1]}"
            for kind in (_HUMAN, _OWN):
                yield _fewer(claim, f"{name} mixture", other, _NATS[kind])
        claim = f"{where} vocabulary: rows make less sure of what is wrong than text"
        yield _fewer(claim, rows, text, _SURE[_HUMAN])
        claim = f"{where} vocabulary: rows answer more short problems than text"
        yield Contrast(claim, (rows,), (text,), "out-of-distribution")


def _contrasts_of_longer() -> Iterator[Contrast]:
    for name in _LONGER:
        where = f"{_VOCABULARIES[name]} vocabulary, {_LONG} steps"
        rows, text = (f"{name} {what} {_LONG}" for what in ("rows", "text"))
        for kind in (_HUMAN, _OWN):
            yield _fewer(f"{where}: rows leave fewer than text", rows, text, _NATS[kind])
            claim = f"{where}: rows leave fewer than text of {_BETWEEN} steps"
            yield _fewer(claim, rows, f"{name} text {_BETWEEN}", _NATS[kind])
            if name == "own":
                yield _fewer(f"{where}: rows leave less than text", rows, text, _KL[kind])
                claim = f"{where}: rows leave fewer than text at {_SLOWER}"
                yield _fewer(claim, rows, f"{text} {_SLOWER}", _NATS[kind])
            else:
                claim = f"{where}: the prefix projection leaves fewer than one-to-one"
                yield _fewer(claim, rows, f"{name} one-to-one {_LONG}", _NATS[kind])
            yield Contrast(
                f"{where}: rows gain on text with the steps (against {SIZE.steps})",
                (text, f"{name} rows"),
                (rows, f"{name} text"),
                _NATS[kind],
            )
        claim = f"{where}: rows answer more short problems than text"
        yield Contrast(claim, (rows,), (text,), "out-of-distribution")


def _fewer(claim: str, less: str, more: str, role: str) -> Contrast:
    return Contrast(claim, (more,), (less,), role)


def _of_the_teacher(outcomes: Sequence[Outcome]) -> str:
    """The teacher's own nats, which no student's depend on."""
    one = outcomes[0].quantities
    said = [f"{np.mean(one[_TEACHERS[kind]]):.3f} on {kind}" for kind in (_HUMAN, _OWN)]
    return (
        f"The teacher's own nats a byte: {' and '.join(said)}. On its own text a student's nats "
        "less the teacher's estimate the KL from the teacher, in any vocabulary. Nats of different "
        "vocabularies are comparable by the byte alone, and T5's does not write line breaks."
    )


_LEARNT = ", ".join(list(_VOCABULARIES.values())[:-1]) + f" and {list(_VOCABULARIES.values())[-1]}"
REAL_PAIR = Experiment(
    name="X11",
    title="A pretrained pair, in its own vocabulary and in two others",
    hypothesis="A student that matches the teacher's distributions learns more of it than one "
    "that matches its samples, across vocabularies too, and a faithful projection more than "
    "one-to-one rows.",
    source="Fu et al. 2023, arXiv:2301.12726, section 4; the projection is ours",
    design="The teacher is SmolLM2-135M-Instruct (a GGUF file, Q4_1, read in float32) after 60 "
    "steps of six of the last 360 training solutions of GSM8K, so that it writes such solutions. "
    f"It writes one text to each of the first {SIZE.texts} training questions, at temperature 1, "
    "so that text and rows are of one distribution; rows keep 20 entries. The students are six of "
    "its thirty layers at even distances, 49.6 million weights with its own vocabulary, and learn "
    f"in {_LEARNT} vocabulary; in another one than its own each token begins as the mean of the "
    f"own tokens of its text. Every arm has {SIZE.steps} steps, or those in its name, of "
    f"{SIZE.rows} rows, a peak learning rate of {SIZE.rate:g} that no arm was tuned for, "
    "and every text, right or wrong. "
    "*Text*: cross-entropy. *Rows*: the teacher's distributions, as they are or by the prefix "
    "projection. *One-to-one*: by the projection that keeps rows of single tokens alone. "
    "*Mixture*: half of the weight on the text's token. The last checkpoint reads "
    f"{SIZE.held_out} solutions that people wrote to GSM8K's test problems, and the teacher's "
    f"{SIZE.held_out} texts to the same: nats a byte, KL from the teacher over the whole "
    "vocabulary, the share of tokens with the same first choice, overconfidence (mean probability "
    "of the first choice less the share in which it is right). It answers "
    f"{2 * SIZE.examples} problems of SVAMP and MultiArith. Seeds change the order of rows; the "
    "teacher's texts are the same for all. Arms and claims were written down before the runs. "
    f"Those of {_LONG} steps, in which each text is read eleven times, came when the others were "
    f"read, and with their first run text that stops after {_BETWEEN} steps and text at a quarter "
    "of the rate, which may suit it better. All were then run with one teacher. "
    f"**Limits.** {SIZE.texts} texts are what the time of two cores allowed: the students are far "
    "from healed, and nothing here tells what they would do with a thousand times the tokens. "
    "Accuracy on problems is near zero.",
    prepare=partial(prepare, SIZE),
    base=partial(base_recipe, SIZE),
    arms=tuple(_arms()),
    contrasts=(*_contrasts(), *_contrasts_of_longer()),
    questions=SIZE.texts,
    examples=SIZE.examples,
    quantities=(
        *(Quantity(role, "nats a byte") for role in _NATS.values()),
        *(Quantity(role, "nats a token") for role in _KL.values()),
        *(Quantity(role, "share of tokens") for role in (*_FIRST.values(), *_SURE.values())),
    ),
    quantify=quantify,
    columns=(*_NATS.values(), _KL[_OWN], _FIRST[_OWN], _SURE[_HUMAN], "out-of-distribution"),
    scale=Scale(
        student="six layers of SmolLM2-135M", data="gsm8k", question_tokens=50,
        solution_tokens=100, parameters=50e6, teacher_parameters=135e6,
    ),
    minutes=121,
    notes="Few texts of an uncertain teacher (1.14 nats a token), drawn from its own distribution"
    " and not filtered, teach a pretrained student much more as distributions, and the more"
    " often they are read. After 24 steps, where each is read once or twice, rows are .052 "
    "nats a byte ahead of text on what people wrote, in T5's vocabulary .027, in GPT-2's "
    ".067; after 192 steps, where each is read eleven times, .533 and .487. Text is then "
    "learnt by heart: it is at 1.71 after 24 steps, 1.45 after 72, and at 1.77 after 192; "
    "at a quarter of the rate, too, it ends at 1.68. Rows go on to 1.23, which is .212 "
    "(.164 to .262) ahead of text that is stopped at 72, and in T5's vocabulary .146 (.107 "
    "to .191). Overconfidence ends at .10 with rows, at .31 with text. **Projection**: "
    "one-to-one rows are learnt by heart, too; the prefix projection is .239 nats a byte "
    "ahead of them after 192 steps (.191 to .286) and .035 after 24 (.011 to .059), in "
    "GPT-2's .022 (.012 to .030). Half of the weight on the text's token keeps most of the "
    "lead of 24 steps and is never ahead of rows. Accuracy separates nothing, near zero for"
    " all, as for the teacher's texts. An earlier run of the arms of 24 steps (X11.json as "
    "of dfa3945), with another teacher of this recipe, tuned on another kind of processor, "
    "and its own texts, had said the same of rows (.040, .046 in T5's and .028 in GPT-2's "
    "vocabulary). X02 agrees: there, too, few texts are learnt by heart; but a lower rate, "
    "which saves text there, does not here. In the earlier pair (docs/results.md) the texts"
    " were what people wrote. All students are at the beginning of healing, at three times "
    "the teacher's nats and more.",
    extra=_of_the_teacher,
)  # fmt: skip
