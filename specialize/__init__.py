"""Specialize a small student model with a large teacher's token distributions, offline.

Stages, each a function from directory to directory: dump -> align -> train -> evaluate -> select
-> report. The names below are what a program needs; each is loaded when it is first used, so that
``import specialize`` costs nothing and only the training names load torch.

    >>> from specialize import is_correct
    >>> is_correct("So she pays $1,000. The answer is 1,000", "1000")
    True

Axis letters used in docstrings:

    B rows, S prompt tokens, T target tokens, K stored entries, V vocabulary, L links,
    R positions of a response or shard, n / m source / target tokens.
"""

from importlib import import_module

__version__ = "0.1.0"

# name -> (module, name there); __init__.pyi says the same to type checkers. No name is that of a
# subpackage: importing one sets it as an attribute here.
_NAMES = {
    # values
    "Example": ("specialize.records", "Example"),
    "Response": ("specialize.records", "Response"),
    "SparseDistributions": ("align", "SparseDistributions"),
    # tokenizers, alignment, projection
    "load_tokenizer": ("specialize.tokens", "load_tokenizer"),
    "Tokenizer": ("specialize.tokens", "Tokenizer"),
    "align_pieces": ("align", "align_pieces"),
    "align_batch": ("align", "align_batch"),
    "Projector": ("align", "Projector"),
    # stores
    "Store": ("specialize.store", "Store"),
    "StoreWriter": ("specialize.store", "StoreWriter"),
    "verify": ("specialize.store", "verify"),
    # sets and answers
    "load_dataset": ("specialize.datasets", "load"),
    "find_answer": ("specialize.answers", "find_answer"),
    "is_correct": ("specialize.answers", "is_correct"),
    # recipes and stages
    "Recipe": ("specialize.config.recipe", "Recipe"),
    "read_recipe": ("specialize.config.yaml_files", "read_recipe"),
    "run_recipe": ("specialize.pipeline", "run_recipe"),
    "dump": ("specialize.teacher.dump", "dump"),
    "write_targets": ("specialize.targets.stage", "write_targets"),
    "train_run": ("specialize.pipeline", "train_run"),
    "evaluate_run": ("specialize.pipeline", "evaluate_run"),
    "select": ("specialize.choosing", "select"),
    "report_runs": ("specialize.pipeline", "report_runs"),
    # the loss, for a training loop of your own
    "SparseTargets": ("specialize.losses.kernel", "SparseTargets"),
    "sparse_kl": ("specialize.losses", "sparse_kl"),
    # targets for a trainer that is not ours
    "TargetsDataset": ("specialize.train.targets_dataset", "TargetsDataset"),
    "TargetsCollator": ("specialize.train.targets_dataset", "TargetsCollator"),
    "targets_loss": ("specialize.train.targets_dataset", "targets_loss"),
}

__all__ = ["__version__", *_NAMES]


def __getattr__(name: str) -> object:
    """The public name ``name``, imported now."""
    if name not in _NAMES:
        raise AttributeError(f"module 'specialize' has no attribute {name!r}")
    module, there = _NAMES[name]
    value: object = getattr(import_module(module), there)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
