from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from evalsuite.errors import InputError
from evalsuite.plan import Job, Machine, Unit, jobs, seed_of, units, work_order
from evalsuite.spec import RunSpec
from prompts import Prompt

MACHINE = Machine("cpu x86_64 AVX512", "2.14.1")
PRINTS = {"dit": "aa", "unet": "bb"}
STRIDES = {"dit": 16, "unet": 16}


def prompts_of(count: int) -> tuple[Prompt, ...]:
    return tuple(Prompt(f"p{n}", f"text {n}") for n in range(count))


def plan_of(spec: RunSpec, prompts: tuple[Prompt, ...]) -> tuple[tuple[Job, ...], tuple[Unit, ...]]:
    made = jobs(spec, prompts, STRIDES)
    return made, units(made, spec, PRINTS, MACHINE)


@pytest.mark.parametrize("batch", [1, 3, 4, 16])
def test_every_job_is_in_exactly_one_unit(batch: int):
    for count in range(1, 201):
        spec = RunSpec(models=("dit", "unet"), aspects=("1:1", "9:16"), batch_size=batch)
        made, found = plan_of(spec, prompts_of(count))
        members = Counter(job.id for unit in found for job in unit.jobs)
        assert members == Counter(job.id for job in made)
        assert len(made) == len(members) == 4 * count
        assert len(found) == 4 * -(-count // batch)
        for unit in found:
            assert 1 <= len(unit.jobs) <= unit.batch == batch
            assert {(job.model, job.width, job.height) for job in unit.jobs} == {(unit.model, unit.width, unit.height)}
            assert [job.id for job in unit.jobs] == sorted(job.id for job in unit.jobs)


def test_the_plan_does_not_depend_on_the_order_of_jobs():
    spec = RunSpec(models=("dit", "unet"), num_images=3, batch_size=4)
    made, found = plan_of(spec, prompts_of(9))
    shuffled = list(made)
    random.Random(0).shuffle(shuffled)
    assert units(shuffled, spec, PRINTS, MACHINE) == found
    assert len({unit.key for unit in found}) == len(found)


def test_seeds_are_those_of_the_definition():
    assert seed_of(0, "p1", 0) == 0x536F90EA30C542F2 >> 1  # printf '0|p1|0' | sha256sum | cut -c1-16
    drawn = {seed_of(run, f"p{n}", index) for run in range(5) for n in range(50) for index in range(4)}
    assert len(drawn) == 1000
    assert all(0 <= seed < 2**63 for seed in drawn)


def test_an_edit_shares_the_noise_of_its_base_at_the_same_index():
    prompts = (Prompt("base", "a cat"), Prompt("edit", "a dog", base="base"), Prompt("other", "a dog"))
    made, _ = plan_of(RunSpec(num_images=2, batch_size=4), prompts)
    seeds = {(job.prompt_id, job.aspect, job.index): job.seed for job in made}
    for (prompt, aspect, index), seed in seeds.items():
        assert seed == seeds[prompt.replace("edit", "base"), "1:1", index]
        assert seed != seeds["other", aspect, index] or prompt == "other"
        assert seed != seeds[prompt, aspect, 1 - index]


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 21},
        {"guidance": 4.5},
        {"sampler": "heun"},
        {"shift": 1.0},
        {"dtype": "bf16"},
        {"attention": "math"},
        {"vae_tile": "128"},
        {"threads": 2},
        {"batch_size": 2},
        {"seed": 1},
        {"pixels": 128 * 128},
    ],
)
def test_a_unit_key_sees_every_setting_that_can_change_its_bytes(change: dict[str, object]):
    spec = RunSpec(threads=1, batch_size=4, aspects=("1:1",))
    before, after = (plan_of(each, prompts_of(4))[1] for each in (spec, replace(spec, **change)))
    assert not {unit.key for unit in before} & {unit.key for unit in after}


def test_a_unit_key_sees_weights_machine_and_texts():
    spec = RunSpec(batch_size=4, aspects=("1:1",))
    made, (unit,) = plan_of(spec, prompts_of(4))
    (weights,) = units(made, spec, {"dit": "other"}, MACHINE)
    (torch,) = units(made, spec, PRINTS, replace(MACHINE, torch="2.15.0"))
    (device,) = units(made, spec, PRINTS, replace(MACHINE, device_class="cuda H100"))
    (text,) = units([replace(made[0], text="other"), *made[1:]], spec, PRINTS, MACHINE)
    assert len({unit.key, weights.key, torch.key, device.key, text.key}) == 5


def test_a_unit_key_ignores_what_cannot_change_its_bytes():
    spec = RunSpec(batch_size=4, aspects=("1:1",))
    made, found = plan_of(spec, prompts_of(4))
    other = replace(spec, metrics=("fid",), output_dir="x", aspects=("1:1", "3:2"))
    assert {unit.key for unit in found} < {unit.key for unit in plan_of(other, prompts_of(4))[1]}
    assert units([replace(job, tags=("new",)) for job in made], spec, PRINTS, MACHINE)[0].key == found[0].key


def test_work_goes_model_by_model_and_from_large_to_small():
    spec = RunSpec(models=("unet", "dit"), batch_size=4, aspects=("1:1", "3:2", "9:16"))
    _made, found = plan_of(spec, prompts_of(9))
    order = work_order(found, spec.models)
    assert sorted(order, key=lambda unit: unit.key) == sorted(found, key=lambda unit: unit.key)
    assert [unit.model for unit in order] == ["unet"] * 9 + ["dit"] * 9
    areas = [unit.width * unit.height for unit in order]
    assert areas[:9] == sorted(areas[:9], reverse=True)
    assert work_order(reversed(order), spec.models) == order


def test_two_ratios_that_round_to_one_size_are_refused():
    with pytest.raises(InputError, match="1:1 and 33:32 are both 256x256"):
        jobs(RunSpec(aspects=("1:1", "33:32")), prompts_of(1), STRIDES)


def test_units_need_a_resolved_batch():
    with pytest.raises(ValueError, match="resolved"):
        units((), RunSpec(), PRINTS, MACHINE)
