"""What processes that train import, once, in the process that they are forked from."""

from __future__ import annotations

import gc

import transformers.models.t5.modeling_t5  # noqa: F401

import specialize.train.session  # noqa: F401
import tests.support.toys  # noqa: F401

gc.freeze()  # modules are no garbage
