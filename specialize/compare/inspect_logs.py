"""The logs of inspect: one JSON file, or a ``.eval`` archive with a JSON file a sample.

A sample has an ``id``, an ``epoch`` (one of several answers to the question), ``input``,
``target``, ``metadata`` and ``scores``, a value by scorer: ``C``, ``P``, ``I`` and ``N`` for
correct, partial, incorrect and no answer, or a number (inspect_ai/log/_log.py of version 0.3).
Archives of newer versions are packed with zstandard, which the standard library reads from
Python 3.14 on and the extra ``inspect`` before; ``inspect log convert`` makes the JSON form of any.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from specialize.compare.answers import Answer, Choice, System, checked, cluster_of, digest
from specialize.datasets.reading import json_document
from specialize.errors import ConfigurationError, InputError

try:
    from backports.zstd import zipfile
except ImportError:
    import zipfile  # type: ignore[no-redef,unused-ignore]

_EXPECTED = "a log of inspect"
_VALUES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}  # as inspect's own accuracy counts them
_MAX_MEMBER = 1 << 28  # bytes of one sample, unpacked


def find_logs(path: Path) -> list[Path]:
    """The logs that a file or directory holds."""
    if path.is_file():
        return [path] if path.suffix in (".eval", ".json") else []
    return sorted(each for form in ("eval", "json") for each in path.glob(f"*.{form}"))


def read_logs(files: Sequence[Path], choice: Choice) -> System:
    """The answers of one model, task by task.

    Raises:
        InputError: a file is no log, or two are of one task.
        ConfigurationError: no such scorer or field to cluster by.
    """
    tasks: dict[str, tuple[Answer, ...]] = {}
    notes: list[str] = []
    for path in files:
        header, samples = _archive(path) if path.suffix == ".eval" else _document(path)
        described = header.get("eval")
        task = described.get("task") if isinstance(described, Mapping) else None
        if not isinstance(task, str):
            raise InputError(f"{path} names no task; expected: {_EXPECTED}")
        if task in tasks:
            raise InputError(f"{path} is a second log of the task {task}; name one of them")
        read = tuple(_answer(sample, task, choice, notes, path) for sample in samples)
        if not read:
            raise InputError(f"{path} holds no sample; compare logs that keep their samples")
        tasks[task] = checked(read, str(path))
    return System(tasks, tuple(dict.fromkeys(notes)))


def _document(path: Path) -> tuple[Mapping[str, object], Iterator[Mapping[str, object]]]:
    values = json_document(path, _EXPECTED)
    if not isinstance(values, Mapping):
        raise InputError(f"{path} is no JSON object; expected: {_EXPECTED}")
    samples = values.get("samples") or []
    return values, (sample for sample in samples if isinstance(sample, Mapping))


def _archive(path: Path) -> tuple[Mapping[str, object], Iterator[Mapping[str, object]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.startswith("samples/")]
            header = _member(archive, "header.json", path)
            samples = [_member(archive, name, path) for name in names if name.endswith(".json")]
    except NotImplementedError:
        raise InputError(
            f"{path} is packed in a way that this Python does not read; pip install "
            f"'specialize[inspect]', or convert it: inspect log convert {path} --to json "
            f"--output-dir DIRECTORY"
        ) from None
    except (zipfile.BadZipFile, OSError, KeyError) as error:
        raise InputError(f"{path} is damaged ({error}); expected: {_EXPECTED}") from None
    return header, iter(samples)


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> Mapping[str, object]:
    with archive.open(name) as file:
        content = file.read(_MAX_MEMBER + 1)
    if len(content) > _MAX_MEMBER:
        raise InputError(f"{path}: {name} unpacks to more than {_MAX_MEMBER:,} bytes")
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {name} is not JSON ({error})") from None
    if not isinstance(values, Mapping):
        raise InputError(f"{path}: {name} is no JSON object")
    return values


def _answer(
    sample: Mapping[str, object], task: str, choice: Choice, notes: list[str], path: Path
) -> Answer:
    where = f"{path}, sample {sample.get('id')!r:.60}"
    metadata, epoch = sample.get("metadata"), sample.get("epoch", 1)
    question = str(sample.get("id"))
    return Answer(
        question=question,
        sample=epoch if isinstance(epoch, int) else 1,
        score=_score(sample.get("scores"), task, choice, notes, where),
        document=digest([sample.get("input"), sample.get("target"), sample.get("choices")]),
        prompt="",
        cluster=cluster_of(
            metadata if isinstance(metadata, Mapping) else {}, choice, task, question
        ),
    )


def _score(scores: object, task: str, choice: Choice, notes: list[str], where: str) -> float:
    if not isinstance(scores, Mapping) or not scores:
        raise InputError(f"{where}: no score; the evaluation did not finish")
    names = list(scores)
    if choice.metric is None and len(names) > 1:
        notes.append(f"{task}: scorer {names[0]} is compared (--metric: {', '.join(names[1:])})")
    name = choice.metric or names[0]
    if name not in scores:
        raise ConfigurationError(f"{where}: no scorer {name!r}; there is {', '.join(names)}")
    score = scores[name]
    value = score.get("value") if isinstance(score, Mapping) else None
    if isinstance(value, str) and value in _VALUES:
        return _VALUES[value]
    if isinstance(value, int | float):
        return float(value)
    raise InputError(f"{where}: {name} is {value!r:.60}, neither a number nor C, P, I or N")
