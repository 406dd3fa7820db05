"""Which share of a plan is this process's, whoever started it: torchrun, srun, a job array, or the user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heapreplace
from typing import TypeVar

from evalsuite.errors import InputError

Task = TypeVar("Task")
ARRAY = "array"
MOST = 100_000  # processes
_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class Share:
    """One process of a run.

    Attributes:
        rank: from 0.
        world: how many processes there are.
        local: of those on this machine, from 0: which GPU is its own.
        shard: it makes its own part and no more, because the others may be on machines that share no disk. The
            processes of a team help each other, and the first one scores what all have made.
    """

    rank: int = 0
    world: int = 1
    local: int = 0
    shard: bool = False

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.world == 1

    @property
    def leads(self) -> bool:
        """Whether it scores and reports."""
        return self.rank == 0 and (self.alone or not self.shard)

    @property
    def words(self) -> str:
        """Such as ``process 1 of 4``; empty for a process alone."""
        return "" if self.alone else f"{'shard' if self.shard else 'process'} {self.rank + 1} of {self.world}"


ALONE = Share()


def share_of(environment: Mapping[str, str], shard: str | None = None) -> Share:
    """The share of this process.

    Args:
        environment: as torchrun or srun set it; a batch script's own shell is a process alone.
        shard: ``i/n`` with i from 1 to n, or ``array`` for a task of a SLURM job array; None means what the launcher
            says.

    Raises:
        InputError: not of that form, or numbers that contradict each other.
    """
    if shard is not None:
        found = _array(environment) if shard == ARRAY else _shard(shard)
        return replace(found, local=_number(environment, "LOCAL_RANK")) if "LOCAL_RANK" in environment else found
    for rank, world, local in (
        ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
        ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),
    ):
        if rank in environment and world in environment:
            own = _number(environment, rank)
            found = Share(
                own, _number(environment, world), _number(environment, local) if local in environment else own
            )
            if found.rank >= found.world:
                raise InputError(f"{rank}={found.rank} but {world}={found.world}: the launcher contradicts itself")
            return found
    return ALONE


def split(tasks: Sequence[Task], costs: Sequence[float], world: int) -> list[list[Task]]:
    """Tasks to processes, the longest first, each to the one with the least work so far (Graham 1969).

    Args:
        tasks: in the order of work, which each part keeps.
        costs: of each, in any unit.
        world: how many parts.
    """
    loads = [(0.0, rank) for rank in range(world)]
    heapify(loads)
    owners = [0] * len(tasks)
    for place in sorted(range(len(tasks)), key=lambda place: -costs[place]):
        load, owner = loads[0]
        heapreplace(loads, (load + costs[place], owner))
        owners[place] = owner
    parts: list[list[Task]] = [[] for _ in range(world)]
    for task, owner in zip(tasks, owners, strict=True):
        parts[owner].append(task)
    return parts


def _shard(text: str) -> Share:
    match = _SHARD.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= MOST:
        raise InputError(f"--shard {text!r}: write i/n with i from 1 to n, such as 1/4; or array in a SLURM job array")
    return Share(int(match[1]) - 1, int(match[2]), shard=True)


def _array(environment: Mapping[str, str]) -> Share:
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_COUNT")
    missing = [name for name in names if name not in environment]
    if missing:
        raise InputError(f"--shard array: {missing[0]} is not set: start it as a SLURM job array (sbatch --array)")
    task, first, last, count = (_number(environment, name) for name in names)
    if last - first + 1 != count or not first <= task <= last:
        raise InputError(f"--shard array: tasks {first} to {last} are not the {count} of the array: use --array=A-B")
    return Share(task - first, count, shard=True)


def _number(environment: Mapping[str, str], name: str) -> int:
    value = environment[name]
    if not value.isascii() or not value.isdigit() or len(value) > len(str(MOST)):
        raise InputError(f"{name}={value!r} in the environment is no whole number: unset it, or start with torchrun")
    return int(value)
