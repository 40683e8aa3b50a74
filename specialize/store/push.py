"""A store as a dataset of the hub: its parquet files and card, sent as one commit.

push_store("runs/a/responses/big", "me/big-rows")
datasets.load_dataset("me/big-rows", split="train")     anywhere else
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi

from specialize.errors import ConfigurationError
from specialize.io.hub_calls import hub_call
from specialize.store.export import export_store


def push_store(path: Path, repository: str) -> dict[str, object]:
    """Send the store at ``path`` to the dataset ``repository``, which is made where there is none.

    Files that are there already, byte for byte, are not sent again.

    Args:
        repository: ``owner/name``.

    Returns:
        How many samples, positions and bytes, and the address of the commit.

    Raises:
        ConfigurationError: the hub refuses, or cannot be reached.
        StoreError: the store is damaged or unfinished.
        DiskFullError: no room for the files beside the store, before they are sent.
    """
    with TemporaryDirectory(dir=path.absolute().parent, prefix=".tmp-push-") as beside:
        folder = Path(beside) / "dataset"
        told = export_store(path, folder, "dataset")
        api = HfApi()
        with hub_call(f"{path} cannot go to {repository}", ConfigurationError):
            api.create_repo(repository, repo_type="dataset", exist_ok=True, private=True)
            sent = api.upload_folder(
                repo_id=repository, repo_type="dataset", folder_path=folder,
                commit_message=f"Rows of {path.name}",
            )  # fmt: skip
    return {**told, "file": repository, "commit": str(sent)}
