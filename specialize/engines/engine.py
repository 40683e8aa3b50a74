"""Which engine runs the parts of a stage, and how many there are.

Engine(processes=4).run(partial(dump_part, out, ...))            4 processes here
Engine(processes=64, ray="auto").run(partial(dump_part, ...))    64 tasks of a Ray cluster
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from specialize.errors import ConfigurationError
from specialize.io.cores import usable_cores
from specialize.io.part import Part

Work = Callable[[Part], object]


@dataclass(frozen=True, slots=True)
class Engine:
    """How many parts, and where they run.

    Attributes:
        processes: parts of the stage; on this machine each is a process at once, on a cluster a
            task that waits for its turn.
        ray: address of a Ray cluster, ``auto`` for the one that this machine belongs to; None: the
            parts run here.
    """

    processes: int = 1
    ray: str | None = None

    @property
    def is_divided(self) -> bool:
        """Whether there is anything to run apart from this process."""
        return self.processes > 1 or self.ray is not None

    @property
    def threads(self) -> int:
        """The share of this machine's cores that each part has; all of them on a cluster's node."""
        cores = usable_cores()
        return cores if self.ray is not None else max(1, cores // self.processes)

    def part(self, shard: str | None) -> Part | None:
        """The part that ``shard`` names, as "0/4"; None: no part, all of them are this engine's.

        Raises:
            ConfigurationError: no part, or one and all of them are asked for.
        """
        if shard is not None and self.is_divided:
            raise ConfigurationError(
                f"--shard {shard} is one part, --processes and --ray do all; leave out one or other"
            )
        return None if shard is None else Part.parse(shard)

    def run(self, work: Work, *, on_gpu: bool) -> None:
        """Run ``work`` for every part, to the end.

        Args:
            work: a function of a module, perhaps with arguments bound; it is sent to processes.
            on_gpu: a part of a cluster's takes a GPU, where there are any.

        Raises:
            SpecializeError: parts failed, or were lost again and again; the others are whole.
            ConfigurationError: Ray is wanted and not installed.
        """
        if self.ray is None:
            from specialize.engines.pool import run_parts

            run_parts(work, self.processes)
            return
        if find_spec("ray") is None:
            raise ConfigurationError(
                "a Ray cluster needs the package ray; pip install 'specialize[ray]'"
            )
        from specialize.engines.ray_tasks import run_tasks

        run_tasks(work, self.processes, self.ray, on_gpu=on_gpu)


HERE = Engine()  # everything in this process
