from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import whole_models

from evalsuite.cost import names
from evalsuite.cost.limit import limit_of
from evalsuite.cost.measure import timed
from evalsuite.cost.plan import Plan
from evalsuite.cost.size import parse
from evalsuite.cost.subject import Feed, Network
from evalsuite.cost.survey import Measuring, Survey, survey
from evalsuite.errors import InputError
from evalsuite.progress import Silent
from evalsuite.rows import Row


def by(found: Survey) -> dict[tuple[str, str], Row]:
    return {(row.metric, row.slice): row for row in found.rows}


def measured(models: list[str], sizes: str, seconds: float = 1.0, **changes: object) -> Survey:
    return survey(models, Plan(sizes=parse(sizes), **changes), Measuring("cpu", seconds, 1), Silent())  # type: ignore[arg-type]


def test_a_pass_is_measured_with_its_memory_and_its_share_of_the_limit(card: Callable[..., str]):
    found = measured([card()], "64,128", guidance=1.0)
    rows = by(found)
    limit, seconds, share = rows[names.LIMIT, "all"], rows[names.PASS, "side=64"], rows[names.SHARE, "side=64"]
    forward = rows[names.FORWARD, "side=64"].value
    assert limit.value is not None
    assert seconds.value is not None
    assert forward is not None
    assert seconds.low <= seconds.value <= seconds.high  # type: ignore[operator]
    assert seconds.n >= 3
    assert share.value == pytest.approx(forward / (seconds.value * limit.value), rel=1e-12)
    assert rows[names.PEAK, "side=128"].value == rows[names.ACTIVATIONS, "side=128"].value
    assert rows[names.VAE_PASS, "side=128"].value is not None
    assert "1 thread, fp32, 1 row, random weights" in seconds.protocol
    assert found.device.startswith("cpu")
    before = by(survey([card()], Plan(sizes=parse("64,128"), guidance=1.0), None, Silent()))
    assert {key: rows[key] for key in before} == before


def test_what_would_take_longer_than_allowed_is_not_begun_and_said(card: Callable[..., str]):
    rows = by(measured([card()], "64,1024", seconds=1e-6))
    for size in ("side=64", "side=1024"):
        assert rows[names.PASS, size].value is None
        assert "more than --measure-seconds 1e-06" in rows[names.PASS, size].note
        assert (names.SHARE, size) not in rows


def test_what_does_not_fit_into_memory_is_not_begun_and_said(card: Callable[..., str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("evalsuite.cost.observe.free_bytes", lambda _: 1_000)
    rows = by(measured([card()], "64"))
    assert rows[names.PASS, "side=64"].note == "needs 0.0 GB, 0.0 GB are free"


def test_weights_that_find_no_room_are_said(card: Callable[..., str], monkeypatch: pytest.MonkeyPatch):
    def refuse(self: torch.nn.Module, *, device: torch.device) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.")

    monkeypatch.setattr(torch.nn.Module, "to_empty", refuse)
    rows = by(measured([card()], "64"))
    assert rows[names.PASS, "side=64"].note == rows[names.VAE_PASS, "side=64"].note == "out of memory"


def test_a_pass_that_runs_out_of_memory_gives_no_timing_and_another_error_is_not_hidden():
    def starving(error: Exception) -> Network:
        def prepare(_: Feed) -> Callable[[], object]:
            raise error

        return Network(torch.nn.Identity(), prepare)

    feed = Feed(1, 64, 64, torch.device("cpu"))
    for error in (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB."), MemoryError()):
        assert timed(starving(error), feed, 1.0) is None
    with pytest.raises(RuntimeError, match="a fault"):
        timed(starving(RuntimeError("a fault")), feed, 1.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_no_time_to_measure_is_refused(seconds: float):
    with pytest.raises(InputError, match="--measure-seconds"):
        measured(["toy"], "64", seconds=seconds)


def test_the_limit_is_that_of_the_fastest_of_several_products():
    found = limit_of(torch.device("cpu"), torch.float32)
    assert found.products >= 3
    assert found.side == 1024
    assert found.flops > 0


def test_a_decoder_is_timed_with_its_weights_where_a_model_does_not_tell_its_parts_apart():
    whole_models.DECODED_ON.clear()
    rows = by(measured(["whole_models:Whole"], "64"))
    assert rows[names.VAE_PASS, "side=64"].value is not None
    assert whole_models.DECODED_ON[-rows[names.VAE_PASS, "side=64"].n :] == ["cpu"] * rows[names.VAE_PASS, "side=64"].n
