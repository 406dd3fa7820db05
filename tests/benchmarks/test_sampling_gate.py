from __future__ import annotations

import argparse
from pathlib import Path

import dit_pipelines as dits
import numpy as np
import pytest
from pairing import Timing
from sampling import break_even
from sampling_sides import (
    COMPILED,
    EAGER,
    OURS,
    PLAIN,
    TUNED,
    Apart,
    apart,
    is_same,
    prepare,
    rounding_of,
    sides,
)  # fmt: skip

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept"),  # diffusers' own, of NumPy 2
]
ARGS = argparse.Namespace(dtype="fp32", device="cpu", threads=1, compile=False, attention="auto")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dits.write(dits.SIZES["tiny"], tmp_path_factory.mktemp("dit") / "pipeline")


def test_diffusers_and_ours_make_the_same_bytes(folder: Path):
    ready = prepare(sides(folder, dits.SIZES["tiny"], ARGS), dits.task(2, 2, 4.0))
    assert ready.arms.keys() == {OURS, EAGER, TUNED}
    assert all(is_same(off, ready.rounding) for off in ready.off.values())
    assert ready.rounding is None
    assert ready.flops > 0


def test_low_precision_is_held_against_its_own_rounding(folder: Path):
    args, work = argparse.Namespace(**vars(ARGS) | {"dtype": "bf16"}), dits.task(1, 2, 4.0)
    both = sides(folder, dits.SIZES["tiny"], args)
    ready = prepare(both, work, rounding_of(folder, both.pipe, work, args))
    assert ready.rounding is not None
    assert 0 < ready.rounding < 5
    assert is_same(ready.off[EAGER], ready.rounding)


def test_other_seeds_labels_and_guidance_are_different_work(folder: Path):
    size, work = dits.SIZES["tiny"], dits.task(1, 2, 4.0)
    pipe = dits.reopen(folder, "cpu", dits.torch.float32)
    wanted = dits.Ours(folder, size, device="cpu", dtype="fp32", threads=1).arm(work)()
    for change in ({"seeds": (7,)}, {"labels": (5,)}, {"guidance": 1.0}, {"steps": 3}):
        other = dits.Task(**{name: getattr(work, name) for name in dits.Task.__slots__} | change)
        assert not is_same(apart(dits.theirs(pipe, other), wanted), None), change


def test_the_gate_allows_one_level_in_a_thousandth_of_the_bytes():
    wanted = np.zeros((1, 50, 20, 3), np.uint8)
    one, many, far = wanted.copy(), wanted.copy(), wanted.copy()
    one.flat[:3], many.flat[:4], far.flat[0] = 1, 1, 2
    assert [is_same(apart(found, wanted), None) for found in (wanted, one, many, far)] == [True, True, False, False]
    assert apart(far, wanted) == Apart(2, pytest.approx(2 / 3000), pytest.approx(2999 / 3000))
    assert apart(wanted, far).most == 2  # bytes do not wrap round


def test_work_is_that_of_all_steps_and_the_decoding(folder: Path):
    pipe = dits.reopen(folder, "cpu", dits.torch.float32)
    one, two, three = (dits.flops(pipe, dits.task(1, steps, 4.0)) for steps in (1, 2, 3))
    assert three - two == two - one > 0
    assert one > two - one  # the rest is the decoding
    assert dits.flops(pipe, dits.task(2, 2, 4.0)) == 2 * two
    assert dits.flops(pipe, dits.task(1, 2, 1.0)) == two - (two - one)  # without guidance, half of each step


def test_compiling_has_paid_when_what_it_saves_is_what_it_took():
    times = [Timing(arm, 0, seconds, seconds) for arm, seconds in ((EAGER, 3.0), (COMPILED, 1.0))]
    spent, even = break_even("case", 4, {COMPILED: 21.0}, times)
    assert spent["value"] == pytest.approx(20)
    assert even["value"] == pytest.approx(20 / 2 * 4)
    slower = [Timing(EAGER, 0, 1.0, 1.0), times[1]]
    assert break_even("case", 4, {COMPILED: 21.0}, slower)[1]["value"] is None
    assert break_even("case", 4, {}, times) == []
    assert break_even("case", 4, {OURS: 9.0}, [Timing(OURS, 0, 1.0, 1.0)]) == []  # nothing to compare with
    own = [Timing(arm, 0, seconds, seconds) for arm, seconds in ((PLAIN, 2.0), (OURS, 1.0))]
    assert break_even("case", 1, {OURS: 9.0}, own)[1]["value"] == pytest.approx(8)
