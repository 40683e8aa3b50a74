"""Engines: what runs the parts of a stage at once, here or on a cluster.

``engine`` says which, ``worker`` is what happens in a process of either, ``pool`` starts processes
on this machine and ``ray_tasks`` tasks of a Ray cluster. Both run one function, once for each part;
a part that is lost with its process is started again and goes on from its last shard.
"""

from specialize.engines.engine import HERE, Engine, Work

__all__ = ["HERE", "Engine", "Work"]
