"""Training: target stores and examples -> checkpoints and ``metrics.jsonl`` in the run.

``train(recipe, run)`` begins, continues or does nothing, whichever the run's directory calls for.
Its names are imported when they are used: ``preparation`` and ``summary`` need no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specialize.train.session import prepare_rows, train
    from specialize.train.summary import TrainSummary

__all__ = ["TrainSummary", "prepare_rows", "train"]

_HOME = {"TrainSummary": "summary", "prepare_rows": "session", "train": "session"}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return vars(import_module(f"{__name__}.{_HOME[name]}"))[name]
