"""What a bug report needs: versions, devices, caches and where the program is.

specialize   0.1.0 (/home/ann/venv/lib/python3.12/site-packages/specialize)
python       3.12.4 (Linux-6.8.0-x86_64)
torch        2.13.0, cpu, 8 threads
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from specialize import __version__
from specialize.io.cores import usable_cores

PACKAGES = (
    "numpy", "numba", "torch", "transformers", "tokenizers", "sentencepiece", "accelerate",
    "datasets", "pyarrow", "pydantic", "safetensors", "click",
    "peft", "gguf", "xllamacpp", "math-verify",
)  # fmt: skip
VARIABLES = (
    "CUDA_VISIBLE_DEVICES", "HF_HOME", "HF_HUB_OFFLINE", "NUMBA_CACHE_DIR", "OMP_NUM_THREADS",
    "TOKENIZERS_PARALLELISM",
)  # fmt: skip


def environment() -> Mapping[str, object]:
    """Versions of what is installed, the machine, and the variables that change behaviour."""
    return {
        "specialize": f"{__version__} ({Path(__file__).parents[1]})",
        "python": f"{platform.python_version()} ({_system()})",
        "cores": usable_cores(),
        **{name: _version(name) for name in PACKAGES},
        "device": _device(),
        **{name: os.environ.get(name, "not set") for name in VARIABLES},
    }


def _system() -> str:
    """As ``platform.platform`` puts it, which runs another program to ask for the processor."""
    return f"{platform.system()}-{platform.release()}-{platform.machine()}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _device() -> str:
    """The accelerators that torch sees."""
    if find_spec("torch") is None:
        return "no torch"
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return f"cuda {torch.version.cuda}: {', '.join(names)}"
    return f"cpu, {torch.get_num_threads()} threads"
