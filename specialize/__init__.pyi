"""What ``specialize`` offers, for type checkers; the names are loaded lazily."""
# ruff: noqa: F401

from align import Projector as Projector
from align import SparseDistributions as SparseDistributions
from align import align_batch as align_batch
from align import align_pieces as align_pieces
from specialize.answers import find_answer as find_answer
from specialize.answers import is_correct as is_correct
from specialize.choosing import select as select
from specialize.config.recipe import Recipe as Recipe
from specialize.config.yaml_files import read_recipe as read_recipe
from specialize.datasets import load as load_dataset
from specialize.losses import sparse_kl as sparse_kl
from specialize.losses.kernel import SparseTargets as SparseTargets
from specialize.pipeline import evaluate_run as evaluate_run
from specialize.pipeline import report_runs as report_runs
from specialize.pipeline import run_recipe as run_recipe
from specialize.pipeline import train_run as train_run
from specialize.records import Example as Example
from specialize.records import Response as Response
from specialize.store import Store as Store
from specialize.store import StoreWriter as StoreWriter
from specialize.store import verify as verify
from specialize.targets.stage import write_targets as write_targets
from specialize.teacher.dump import dump as dump
from specialize.tokens import Tokenizer as Tokenizer
from specialize.tokens import load_tokenizer as load_tokenizer
from specialize.train.targets_dataset import TargetsCollator as TargetsCollator
from specialize.train.targets_dataset import TargetsDataset as TargetsDataset
from specialize.train.targets_dataset import targets_loss as targets_loss

__version__: str
