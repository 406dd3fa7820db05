from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MethodType

import numpy as np
import pytest
import tiny_models
import torch
from tiny_models import ConvWorld
from torch import nn

from backbones import bundled, cuda_graph
from backbones.compiled import repeated
from backbones.cuda_graph import Replayed
from evalsuite import compiling, painter
from evalsuite.compiling import REPAID, Execution, settled
from evalsuite.errors import InputError
from evalsuite.generate import generate
from evalsuite.painter import Painter
from evalsuite.plan import Unit
from evalsuite.prepare import Shelf, prepare
from evalsuite.progress import Silent
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore
from evalsuite.unit_seconds import unit_seconds


def units(count: int, shapes: int = 1) -> list[Unit]:
    return [Unit(str(n), "dit", 64, 64 + n % shapes, (), 4) for n in range(count)]


@pytest.mark.parametrize(
    ("asked", "device", "plan", "passes", "wanted"),
    [
        ("on", "cpu", units(1), 1, "on"),
        ("off", "cuda", units(1), REPAID, "off"),
        ("auto", "cuda", units(10), REPAID // 10, "on"),
        ("auto", "cuda:1", units(10), REPAID // 10 - 1, "off"),
        ("auto", "cuda", units(10, shapes=5), REPAID // 10, "off"),  # five shapes are compiled for, not one
        ("auto", "cuda", units(50, shapes=5), REPAID // 10, "on"),
        ("auto", "cpu", units(10), REPAID, "off"),
    ],
)
def test_auto_compiles_on_a_gpu_where_every_shape_has_passes_enough(
    asked: str, device: str, plan: list[Unit], passes: int, wanted: str
):
    assert settled(asked, device, plan, passes) == wanted


def test_the_choice_is_settled_with_the_plan_and_counts_where_it_changes_pixels(tiny: Callable[..., RunSpec]):
    found = {asked: prepare(tiny(compile=asked), Shelf()) for asked in ("auto", "off", "on")}
    assert [found[asked].spec.compile for asked in found] == ["off", "off", "on"]
    assert found["auto"].fingerprint == found["off"].fingerprint != found["on"].fingerprint
    assert found["on"].differences(found["off"]) == "compile (on here, off there)"
    keys = {asked: [unit.key for unit in manifest.units] for asked, manifest in found.items()}
    assert keys["auto"] == keys["off"]
    assert not set(keys["on"]) & set(keys["off"])


def test_a_compiled_transformer_draws_the_same_to_rounding_and_says_so(tiny: Callable[..., RunSpec]):
    settings = {"models": ("dit",), "prompts": 1, "aspects": ("1:1",), "batch_size": 1, "steps": 2}
    manifest = prepare(tiny(**settings, compile="on"), Shelf())
    model, (unit,) = bundled.dit(), manifest.units
    plain = Painter(model, replace(manifest.spec, compile="off"))
    (before,) = plain.paint(unit)
    with RunStore.create(Path(manifest.spec.output_dir), manifest) as store:
        assert generate(store, lambda name: model, Silent()) == ()
        record = store.record(unit)
        assert json.loads((store.folder / "run.json").read_bytes())["spec"]["compile"] == "on"
    assert record["execution"] == "compiled"
    assert plain.made(unit).execution == "eager"
    (compiled,) = Painter(model, manifest.spec).paint(unit)
    assert compiled.rgb.std() > 5
    assert abs(compiled.rgb.astype(int) - before.rgb).max() <= 1
    (after,) = Painter(model, replace(manifest.spec, compile="off")).paint(unit)
    assert np.array_equal(after.rgb, before.rgb)  # one model, taken from run to run


class Broken(nn.Module):
    """A block that no compiler takes in one piece."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch._dynamo.graph_break()
        return x


def test_a_model_that_cannot_be_compiled_is_the_users_to_change(
    tiny: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
):
    block, model = Broken(), tiny_models.conv()
    velocity = model.velocity
    monkeypatch.setattr(model, "repeated", lambda fused=True: [block], raising=False)
    monkeypatch.setattr(model, "velocity", lambda x, t, condition: block(velocity(x, t, condition)))
    manifest = prepare(tiny(compile="on"), Shelf())
    with pytest.raises(InputError, match=r"compile on: PyTorch cannot compile model 'conv' here .*: use --compile off"):
        Painter(model, manifest.spec).paint(manifest.units[0])
    with pytest.raises(InputError, match="compile on: PyTorch cannot compile model 'conv' here"):
        unit_seconds(Painter(model, manifest.spec), manifest.units[0])


def test_recordings_are_kept_from_run_to_run_and_made_again_where_weights_have_moved(monkeypatch: pytest.MonkeyPatch):
    model, spec, kept = tiny_models.conv(), RunSpec(device="cuda", dtype="fp32", compile="off"), []
    monkeypatch.setattr(type(model), "pure", "velocity", raising=False)
    for dtype in ("fp32", "fp32", "bf16", "fp32"):
        Execution(model, replace(spec, dtype=dtype))
        kept.append(model.velocity)
    assert kept[0] is kept[1]
    assert len({id(replayed) for replayed in kept}) == 3
    Execution(model, replace(spec, cuda_graphs="off"))
    assert model.velocity == MethodType(type(model).velocity, model)


class Told(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_model_whose_passes_cannot_be_recorded_is_made_as_it_is_with_one_warning_and_a_record(
    tiny: Callable[..., RunSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(self: Replayed, *_: object) -> bool:
        self.refusal = "CUDA error: operation not permitted when stream is capturing"
        return False

    plain, told, model = prepare(tiny(), Shelf()), Told(), tiny_models.conv()
    with RunStore.create(tmp_path / "plain", plain) as store:
        generate(store, lambda name: model, told)
        wanted = [unit["images"] for unit in map(store.record, plain.units)]
    assert told.notes == []
    monkeypatch.setattr(ConvWorld, "pure", "velocity", raising=False)
    monkeypatch.setattr(painter, "Execution", lambda model, spec: Execution(model, replace(spec, device="cuda")))
    monkeypatch.setattr(cuda_graph, "is_gpu", lambda x: True)
    monkeypatch.setattr(Replayed, "_record", refuse)
    for folder in ("first", "second"):
        with RunStore.create(tmp_path / folder, plain) as store:
            assert generate(store, lambda name: model, told) == ()
            found = [store.record(unit) for unit in plain.units]
        assert [unit["images"] for unit in found] == wanted
        assert {unit["execution"] for unit in found} == {
            "eager (no cuda graph: CUDA error: operation not permitted when stream is capturing)"
        }
    (note,) = told.notes
    assert note.startswith("passes of conv cannot be replayed as CUDA graphs (CUDA error: operation not permitted")
    assert len(note.splitlines()) == 1


class Slotted:
    """A model that takes no attributes but its own."""

    __slots__ = ("name",)
    pure = "velocity"

    def velocity(self, x: torch.Tensor, t: torch.Tensor, condition: dict[str, torch.Tensor]) -> torch.Tensor:
        return x


def test_a_model_that_takes_no_attributes_runs_as_it_is():
    model = Slotted()
    model.name = "slotted"
    for device in ("cpu", "cuda"):
        assert Execution(model, RunSpec(device=device, compile="off")).ran((1, 4, 8, 8)) == compiling.PLAIN


def test_a_model_without_blocks_runs_as_it_is(tiny: Callable[..., RunSpec]):
    manifest = prepare(tiny(compile="on"), Shelf())
    painter = Painter(tiny_models.conv(), manifest.spec)
    painter.paint(manifest.units[0])
    assert painter.made(manifest.units[0]).execution == compiling.PLAIN


def test_blocks_are_the_entries_of_lists_or_the_kinds_that_are_named():
    dit, unet = bundled.dit(), bundled.unet()
    assert dit.repeated() == list(dit.denoiser.blocks)
    stages = [*unet.denoiser.down, *unet.denoiser.up, *unet.denoiser.middle]
    assert {id(block) for block in unet.repeated()} == {id(stage) for stage in stages}  # convolutions alone are none
    assert len(repeated(unet.denoiser, ("Attention",))) == 2 * sum(stage.attention is not None for stage in stages)
