from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from torch.nn import functional as F

from backbones import bundled
from backbones.dit import DiT
from backbones.pipeline import LatentDiffusion
from evalsuite import attention
from evalsuite.errors import InputError
from evalsuite.generate import generate
from evalsuite.painter import Painter
from evalsuite.prepare import Shelf, prepare
from evalsuite.progress import Silent
from evalsuite.spec import ATTENTION, RunSpec
from evalsuite.store import RunStore

FLASH, MATH = "_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_attention_math"


@pytest.fixture
def small(tiny: Callable[..., RunSpec]) -> Callable[..., RunSpec]:
    """One image of the bundled transformer."""

    def make(**changes: object) -> RunSpec:
        settings = {"models": ("dit",), "prompts": 1, "aspects": ("1:1",), "batch_size": 1, "steps": 2}
        return tiny(**settings | changes)

    return make


@pytest.fixture
def linear(monkeypatch: pytest.MonkeyPatch) -> LatentDiffusion:
    """The bundled transformer's parts around one that attends in linear time."""
    whole = bundled.dit()
    config = replace(whole.denoiser.config, attention="linear", depth=1)
    model = LatentDiffusion("linear", DiT(config), whole.text, whole.tokenizer, whole.vae)
    monkeypatch.setattr(tiny_models, "linear", lambda: model, raising=False)
    return model


def test_names_known_without_torch_are_those_of_the_code():
    assert set(ATTENTION) == {"auto", "sdpa", "linear", *attention.KERNELS}


@pytest.mark.parametrize(
    ("asked", "ran"), [("auto", (FLASH,)), ("sdpa", (FLASH,)), ("flash", (FLASH,)), ("math", (MATH,))]
)
def test_the_kernel_that_ran_on_a_cpu_is_recorded(small: Callable[..., RunSpec], asked: str, ran: tuple[str, ...]):
    manifest = prepare(small(attention=asked), Shelf())
    with RunStore.create(Path(manifest.spec.output_dir), manifest) as store:
        assert generate(store, lambda name: bundled.dit(), Silent()) == ()
        (record,) = (store.record(unit) for unit in manifest.units)
    assert tuple(record["attention"]) == ran


def test_kernels_give_the_same_picture_to_rounding_and_auto_is_pytorchs_choice(small: Callable[..., RunSpec]):
    found = {}
    for asked in ("auto", "sdpa", "flash", "math"):
        manifest = prepare(small(attention=asked), Shelf())
        (found[asked],) = Painter(bundled.dit(), manifest.spec).paint(manifest.units[0])
    assert np.array_equal(found["auto"].rgb, found["sdpa"].rgb)
    assert np.array_equal(found["auto"].rgb, found["flash"].rgb)
    assert abs(found["auto"].rgb.astype(int) - found["math"].rgb).max() <= 1


@pytest.mark.parametrize("asked", ["cudnn", "efficient"])
def test_a_kernel_that_a_cpu_lacks_is_refused_before_anything_is_made(small: Callable[..., RunSpec], asked: str):
    spec = small(attention=asked)
    with pytest.raises(InputError, match=f"attention {asked} does not run on cpu in float32: use auto, flash, math$"):
        prepare(spec, Shelf())
    assert not Path(spec.output_dir).exists()


def test_linear_is_for_models_that_are_made_with_it(small: Callable[..., RunSpec], linear: LatentDiffusion):
    for model in ("dit", "unet", "toy"):
        with pytest.raises(InputError, match=f"attention linear: model '{model}' is not made with it"):
            prepare(small(models=(model,), attention="linear"), Shelf())
    for asked in ("sdpa", "flash", "math"):
        with pytest.raises(InputError, match="attends in linear time; use auto or linear"):
            prepare(small(models=("tiny_models:linear",), attention=asked), Shelf())
    for asked in ("auto", "linear"):
        manifest = prepare(small(models=("tiny_models:linear",), attention=asked), Shelf())
        painter = Painter(linear, manifest.spec)
        painter.paint(manifest.units[0])
        assert painter.made(manifest.units[0]).attention == ("linear_attention",)


def test_a_model_without_attention_has_none_recorded(small: Callable[..., RunSpec]):
    manifest = prepare(small(models=("tiny_models:conv",), attention="math"), Shelf())
    painter = Painter(tiny_models.conv(), manifest.spec)
    painter.paint(manifest.units[0])
    assert painter.made(manifest.units[0]).attention == ()


def test_every_size_is_watched_once(tiny: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch):
    watched: list[object] = []
    original = attention.Kernels._watched
    monkeypatch.setattr(attention.Kernels, "_watched", lambda self, work: watched.append(0) or original(self, work))
    manifest = prepare(tiny(), Shelf())
    painter = Painter(tiny_models.conv(), manifest.spec)
    for unit in manifest.units:
        painter.paint(unit)
    assert (len(watched), len(manifest.units)) == (2, 4)


def test_the_choice_holds_inside_a_step_alone():
    """What the caller does between steps is none of its business."""
    x = torch.zeros(1, 1, 4, 8)
    kernels = attention.Kernels("math", object(), "cpu")
    steps = kernels.walk(iter(lambda: F.scaled_dot_product_attention(x, x, x), None), (1,))
    next(steps)
    assert kernels.ran((1,)) == (MATH,)
    assert torch.backends.cuda.flash_sdp_enabled()


def test_a_kernel_that_refuses_a_models_predictions_is_the_users_to_change():
    def refuse() -> None:
        raise RuntimeError("No viable backend for scaled_dot_product_attention was found.")

    with pytest.raises(InputError, match="attention flash does not take this model's predictions: use auto"):
        attention.Kernels("flash", object(), "cpu").call(refuse, (1,))


def test_any_other_error_goes_on_its_way():
    def broken() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        attention.Kernels("auto", object(), "cpu").call(broken, (1,))


def test_the_watch_says_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str]):
    x = torch.zeros(1, 1, 4, 8)
    kernels = attention.Kernels("auto", object(), "cpu")
    kernels.call(lambda: F.scaled_dot_product_attention(x, x, x), (1,))
    assert kernels.ran((1,)) == (FLASH,)
    assert capfd.readouterr() == ("", "")
