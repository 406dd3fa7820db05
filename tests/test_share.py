from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from evalsuite.errors import InputError
from evalsuite.plan import Machine, jobs, units
from evalsuite.share import ALONE, Share, share_of, split
from evalsuite.spec import RunSpec
from evalsuite.team import cost
from prompts import Prompt


@pytest.mark.parametrize(
    ("environment", "share"),
    [
        ({}, ALONE),
        ({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}, Share(1, 2, 1)),
        ({"RANK": "9", "WORLD_SIZE": "16", "LOCAL_RANK": "1"}, Share(9, 16, 1)),
        ({"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "3"}, Share(3, 8, 3)),
        # A batch script's own shell, or a user's: no step has begun.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_LOCALID": "0"}, ALONE),
        # torchrun inside a step of SLURM: torchrun is nearer.
        (
            {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"},
            Share(1, 2, 1),
        ),
    ],
)
def test_the_launcher_says_which_process_this_is(environment: Mapping[str, str], share: Share):
    assert share_of(environment) == share


@pytest.mark.parametrize(
    ("text", "share"),
    [("1/1", Share(0, 1, shard=True)), ("1/4", Share(0, 4, shard=True)), ("4/4", Share(3, 4, shard=True))],
)
def test_a_shard_counts_from_one(text: str, share: Share):
    assert share_of({"RANK": "0", "WORLD_SIZE": "9"}, text) == share


@pytest.mark.parametrize("text", ["", "0/4", "5/4", "1", "1/0", "-1/4", "1/4/4", "a/b", "1/1000000", " 1/4", "1.0/4"])
def test_a_shard_that_is_none_is_refused(text: str):
    with pytest.raises(InputError, match="write i/n with i from 1 to n"):
        share_of({}, text)


def array(task: int, first: int, last: int, count: int) -> dict[str, str]:
    names = ("ID", "MIN", "MAX", "COUNT")
    return {f"SLURM_ARRAY_TASK_{name}": str(n) for name, n in zip(names, (task, first, last, count), strict=True)}


@pytest.mark.parametrize(("task", "first", "last", "rank"), [(0, 0, 3, 0), (3, 0, 3, 3), (1, 1, 4, 0), (12, 10, 13, 2)])
def test_a_job_array_may_count_from_any_number(task: int, first: int, last: int, rank: int):
    assert share_of(array(task, first, last, 4), "array") == Share(rank, 4, shard=True)


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({}, "SLURM_ARRAY_TASK_ID is not set"),
        (array(0, 0, 8, 5), "use --array=A-B"),
        (array(9, 0, 3, 4), "use --array=A-B"),
        ({**array(0, 0, 3, 4), "SLURM_ARRAY_TASK_ID": "x"}, "no whole number"),
    ],
)
def test_a_job_array_with_gaps_is_refused(environment: Mapping[str, str], complaint: str):
    with pytest.raises(InputError, match=complaint):
        share_of(environment, "array")


@pytest.mark.parametrize("environment", [{"RANK": "2", "WORLD_SIZE": "2"}, {"RANK": "-1", "WORLD_SIZE": "2"}])
def test_a_launcher_that_contradicts_itself_is_refused(environment: Mapping[str, str]):
    with pytest.raises(InputError):
        share_of(environment)


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_every_task_is_in_one_part_and_parts_keep_the_order(world: int):
    tasks = list(range(20))
    parts = split(tasks, [(7 * task) % 5 + 1.0 for task in tasks], world)
    assert len(parts) == world
    assert sorted(task for part in parts for task in part) == tasks
    assert all(part == sorted(part) for part in parts)


def test_the_longest_go_first_so_the_parts_are_even():
    """Handed out in the order given, the long one would come last and end at 4."""
    costs = [1.0, 1.0, 1.0, 1.0, 2.0]
    assert sorted(sum(costs[task] for task in part) for part in split(range(5), costs, 2)) == [3.0, 3.0]


@pytest.mark.parametrize("world", [2, 8, 64])
def test_five_ratios_end_within_a_tenth_of_the_ideal_time(world: int):
    """The longest part of a plan over its mean, for the 500 prompts and five ratios of a review."""
    spec = RunSpec(models=("a",), aspects=("1:1", "3:2", "2:3", "16:9", "9:16"), batch_size=4, device="cpu", threads=1)
    prompts = [Prompt(f"p{n}", "a cat", None, ()) for n in range(500)]
    plan = units(jobs(spec, prompts, {"a": 16}), spec, {"a": "f"}, Machine("cpu", "2"))
    loads = [sum(map(cost, part)) for part in split(plan, [cost(unit) for unit in plan], world)]
    assert max(loads) <= 1.10 * sum(loads) / world


def test_the_split_is_the_same_in_every_process(tiny: Callable[..., RunSpec]):
    tasks = [f"task {n}" for n in range(50)]
    assert split(tasks, [1.0] * 50, 4) == split(list(tasks), [1.0] * 50, 4)


def test_shards_under_torchrun_have_a_gpu_each():
    assert share_of({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}, "2/8") == Share(1, 8, 1, shard=True)


def test_the_only_shard_leads_and_others_do_not():
    assert Share(0, 1, shard=True).leads
    assert not Share(0, 2, shard=True).leads
    assert Share(0, 2).leads
    assert not Share(1, 2).leads
