"""Teacher consistency: what scores a student's texts is what wrote the off-policy ones.

Lightning OPD (arXiv:2604.13010) finds that on-policy training fails where the two differ. Stores
say which teacher they are of: the digest or commit of its weights, its type, its vocabulary.
"""

from __future__ import annotations

from pathlib import Path

from specialize.config.recipe import Recipe
from specialize.errors import ConfigurationError
from specialize.store import Store, StoreDescription
from specialize.teacher.protocol import TeacherDescription

_REVISION = {True: "digest of the weights", False: "revision"}  # a directory's, a hub's


def check_consistency(
    recipe: Recipe, run: Path, name: str, now: TeacherDescription | StoreDescription
) -> None:
    """Refuse a teacher that is not the one that ``consistent_with`` names.

    Only what both sides say is compared: an imported store may not know the digest of its weights,
    and a store of targets has the student's vocabulary.

    Args:
        recipe: of the run.
        run: the run's directory, with responses or targets of the other teacher.
        name: of the teacher that scores; any other is passed.
        now: what scores, before it is asked, or its store.

    Raises:
        ConfigurationError: nothing is kept of the other teacher, or it differs; names in what, with
            both values.
        StoreError: the other's store is damaged.
    """
    other = recipe.teachers[name].consistent_with
    if other is None:
        return
    places = [run / kind / other for kind in ("responses", "targets")]
    store = next((place for place in places if place.is_dir()), None)
    if store is None:
        raise ConfigurationError(
            f"teacher {name!r} must be consistent with {other!r}, of which {run} holds no store; "
            f"dump or import that teacher first"
        )
    there, here = _facts(Store.open(store).description), _facts(now)
    differing = [
        f"{fact} {there[fact]!r} there, {here[fact]!r} here"
        for fact in there
        if there[fact] and here.get(fact) and there[fact] != here[fact]
    ]
    if differing:
        raise ConfigurationError(
            f"teacher {name!r} is not the one of {store}: {'; '.join(differing)}; let the model "
            f"that wrote for {other!r} score (same weights, same type), or leave out "
            f"consistent_with"
        )


def _facts(who: TeacherDescription | StoreDescription) -> dict[str, str | int]:
    """What is known of a teacher; its name, which is that of a folder, where no revision is."""
    named = who.name if isinstance(who, TeacherDescription) else who.teacher
    own = isinstance(who, TeacherDescription) or (who.kind == "responses" and who.k > 0)
    served = who.dtype.startswith("served")
    return {
        "teacher": "" if who.revision else named,
        _REVISION[who.revision.startswith("xxh3:")]: who.revision,
        "type of served weights" if served else "type of weights": who.dtype,
        "tokenizer": who.fingerprint[:12] if own else "",
        "vocabulary": who.vocabulary_size if own else 0,
    }
