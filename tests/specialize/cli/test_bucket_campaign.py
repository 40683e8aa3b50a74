"""A campaign through a bucket as it is run: every stage a process, killed once and continued."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import s3fs

from specialize.quickstart.run import MODELS, Size, quickstart_recipe, write_data
from tests.support.killed_stages import visible
from tests.support.object_storage import KEY, SECRET
from tests.support.store_samples import tree

ROOT = Path(__file__).parents[3]
RUN = "s3://bucket/run"
SIZE = Size(questions=300, samples=4, steps=20, examples=2)  # three shards


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Of the commands; moto's server is a process of its own."""
    (tmp_path / "home").mkdir()
    log = tmp_path / "server.log"
    with log.open("w") as said:
        server = subprocess.Popen(
            [sys.executable, "-c", "from moto.server import main; main(['-p', '0'])"],
            stdout=said, stderr=said,
        )  # fmt: skip
    wait_for(lambda: "Running on http://127.0.0.1:" in log.read_text())
    url = log.read_text().split("Running on ")[1].split()[0]
    yield {
        **os.environ, "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1",
        "HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    server.terminate()
    server.wait()


def wait_for(happens: Callable[[], object]) -> None:
    until = time.monotonic() + 1200  # of a machine that has much else to do
    while not happens():
        assert time.monotonic() < until, "it never happens"
        time.sleep(0.3)


class Stages:
    """The commands in ``folder``, once with local stores and once with a bucket's."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.client = s3fs.S3FileSystem(
            key=KEY, secret=SECRET, endpoint_url=environment["AWS_ENDPOINT_URL"],
            use_listings_cache=False, skip_instance_cache=True,
        )  # fmt: skip
        self.client.mkdir("bucket")

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "specialize", "-q", *arguments]
        with (self.folder / "said").open("ab") as said:
            return subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=said, stderr=said
            )

    def run(self, *arguments: str) -> None:
        assert self.start(*arguments).wait() == 0, (self.folder / "said").read_text()

    def run_killed(self, happens: Callable[[], object], *arguments: str) -> None:
        """Kill the command when ``happens``, then run it to its end."""
        process = self.start(*arguments)
        try:
            wait_for(lambda: happens() or process.poll() is not None)
        finally:
            process.kill()
        assert process.wait() == -signal.SIGKILL, (self.folder / "said").read_text()
        self.run(*arguments)

    def line_of(self, kind: str) -> Callable[[], object]:
        """Whether a shard of this kind is committed in the bucket."""
        return lambda: self.client.find(f"bucket/run/{kind}/tiny/lines")

    def objects(self) -> dict[str, bytes]:
        return {path: self.client.cat_file(path) for path in self.client.find("bucket")}

    def below(self, kind: str) -> dict[str, bytes]:
        start = f"bucket/run/{kind}/tiny/"
        return {
            path.removeprefix(start): content
            for path, content in self.objects().items()
            if path.startswith(start)
        }


@pytest.mark.slow
def test_dump_align_and_train_killed_and_continued(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    stages = Stages(tmp_path, environment)
    write_data(tmp_path / "data", SIZE)
    recipe = quickstart_recipe(tmp_path, SIZE)
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert recipe.train_on.path is not None
    asked = ["--teacher", str(MODELS / "teacher"), "--data", "jsonl", "--path"]
    asked += [recipe.train_on.path, "--samples", "4", "--max-new-tokens", "96"]
    student = ["--student", str(MODELS / "student")]
    stages.run("dump", "local/responses/tiny", *asked)
    stages.run("align", "local/responses/tiny", "local/targets/tiny", *student)
    stages.run("train", "recipe.yaml", "local")

    stages.run_killed(stages.line_of("responses"), "dump", f"{RUN}/responses/tiny", *asked)
    assert stages.below("responses") == visible(tmp_path / "local" / "responses" / "tiny")
    align = ["align", f"{RUN}/responses/tiny", f"{RUN}/targets/tiny", *student]
    stages.run_killed(stages.line_of("targets"), *align)
    assert stages.below("targets") == visible(tmp_path / "local" / "targets" / "tiny")
    stages.run("align", f"{RUN}/responses/tiny", f"{RUN}/parts/tiny", *student, "--processes", "2")
    assert stages.below("parts") == stages.below("targets")
    checkpoint = tmp_path / "run" / "checkpoints"
    stages.run_killed(
        lambda: len([*checkpoint.glob("step-*/COMPLETE*")]) > 1,
        "train", "recipe.yaml", "run", "--targets", "tiny", f"{RUN}/targets/tiny",
    )  # fmt: skip
    weights = {
        name: [*(tmp_path / name / "checkpoints").glob("step-*20/model.safetensors")]
        for name in ("local", "run")
    }
    assert weights["run"][0].read_bytes() == weights["local"][0].read_bytes()
    stages.run("verify", f"{RUN}/targets/tiny")

    written = tree(tmp_path) | stages.objects()
    assert any("home/.cache/specialize/stores/s3" in name for name in written)
    assert not [name for name, c in written.items() if KEY.encode() in c or SECRET.encode() in c]
