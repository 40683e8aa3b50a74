"""The store: sparse teacher distributions on disk, keyed by sample, committed shard by shard.

One format, two uses: what a teacher answered (``responses``) and what a student should learn
(``targets``). A directory holds ``store.json`` (what it is), ``manifest.jsonl`` (one line a
committed shard), ``shards/`` (arrays and texts), and, once finished, ``vocabulary.safetensors`` and
``summary.json``. ``docs/store.md`` gives every byte.

    with StoreWriter(path, description, shard_samples=512) as writer:
        for shard in plan:
            if shard not in writer.committed:
                writer.write(shard, samples, counts={"dropped": 3})
        writer.finish(vocabulary, {"accuracy": 0.62})
    Store.open(path)["gsm8k/train/00000", 0].distributions
"""

from specialize.store.background import ahead, committing
from specialize.store.description import StoreDescription, differences
from specialize.store.following import Follower
from specialize.store.lines import thinking_tokens
from specialize.store.linking import link_store
from specialize.store.parts import (
    Merging,
    already_merged,
    discard_all,
    merging,
    part_kind,
    place_of,
)
from specialize.store.reader import Store
from specialize.store.rounding import stored_rows
from specialize.store.shard import Sample, Shard, Texts, own_logprobs, shard_of
from specialize.store.verify import Verification, verify
from specialize.store.writer import StoreWriter

__all__ = [
    "Follower",
    "Merging",
    "Sample",
    "Shard",
    "Store",
    "StoreDescription",
    "StoreWriter",
    "Texts",
    "Verification",
    "ahead",
    "already_merged",
    "committing",
    "differences",
    "discard_all",
    "link_store",
    "merging",
    "own_logprobs",
    "part_kind",
    "place_of",
    "shard_of",
    "stored_rows",
    "thinking_tokens",
    "verify",
]
