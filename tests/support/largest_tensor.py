"""The largest tensor that an operation makes: what bounds memory, without measuring it."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class LargestTensor(TorchDispatchMode):
    """``numel`` is the number of elements of the largest tensor made inside the ``with`` block."""

    numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for value in made if isinstance(made, tuple | list) else (made,):
            if isinstance(value, torch.Tensor):
                stored = value.untyped_storage().nbytes() // value.element_size()
                self.numel = max(self.numel, stored)
        return made
