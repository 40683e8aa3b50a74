"""A model card for the selected checkpoint, and its way to the hub, which nobody takes by accident.

    RUN/model_card.md    first data for the hub (base model, sets, results), then prose

The results are those of the test split, of the selected checkpoint alone; without test scores the
card has none, since validation scores chose it.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import EvalResult, HfApi, ModelCardData

from specialize.artifacts.selection import read_selection
from specialize.config.recipe import Recipe
from specialize.errors import ConfigurationError
from specialize.io.files import write_atomically
from specialize.io.hub_calls import hub_call
from specialize.report.gather import ReportData
from specialize.report.markdown import render
from specialize.report.words import reasons

CARD = "model_card.md"
_OF_TRAINING = ("*.pt", "*.pth", "trainer_state.json", "COMPLETE")  # no one needs it to answer


def model_card(data: ReportData) -> str:
    """The card's text; what the run lacks is left out, or named as missing."""
    teachers = [teacher.model or name for name, teacher in data.recipe.teachers.items()]
    return render(
        "model_card.md.j2",
        data=data,
        front=_front(data),
        teachers=", ".join(teachers),
        tested=_tested(data),
        reasons=reasons(data),
        recipe_text=data.recipe.to_yaml(),
    )


def _tested(data: ReportData) -> bool:
    return data.outcome is not None and data.outcome.split == "test"


def _front(data: ReportData) -> str:
    """What the hub reads of a card."""
    local = Path(data.recipe.student).exists()
    results = None
    if _tested(data) and data.outcome is not None:
        results = [
            EvalResult(
                task_type="text-generation",
                dataset_type=line.name,
                dataset_name=line.name,
                dataset_split="test",
                metric_type="accuracy",
                metric_value=round(line.after.value, 4),
                metric_name=f"accuracy ({data.format})",
            )
            for line in data.outcome.lines
            if line.after is not None and not line.is_mean
        ]
    front = ModelCardData(
        base_model=None if local else data.recipe.student,
        datasets=None if data.recipe.train_on.path else [data.recipe.train_on.set],
        tags=["distillation", "specialization"],
        model_name=data.recipe.name if results else None,
        eval_results=results,
    )
    return front.to_yaml()


def push(run: Path, recipe: Recipe, repository: str) -> str:
    """Send the selected checkpoint with its card to the hub; returns the page's address.

    Raises:
        ConfigurationError: nothing was selected, or the hub refuses.
    """
    selection = read_selection(run)
    card = run / CARD
    if selection is None or not card.is_file():
        raise ConfigurationError(
            f"{run} has no selected checkpoint with a card; select and report first"
        )
    folder = run / "checkpoints" / selection.checkpoint
    api = HfApi()
    with hub_call(f"{recipe.name} cannot go to {repository}", ConfigurationError):
        api.create_repo(repository, exist_ok=True, private=True)
        with TemporaryDirectory() as beside:
            write_atomically(Path(beside) / "README.md", card.read_bytes())
            api.upload_folder(
                repo_id=repository, folder_path=folder, ignore_patterns=list(_OF_TRAINING)
            )
            sent = api.upload_folder(repo_id=repository, folder_path=beside)
    return str(sent)
