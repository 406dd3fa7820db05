from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from evalsuite.cost import names
from evalsuite.cost.count import Counts
from evalsuite.cost.find import find
from evalsuite.cost.plan import Plan
from evalsuite.cost.size import Size, parse
from evalsuite.cost.subject import Feed, Network, Subject
from evalsuite.cost.survey import Survey, survey
from evalsuite.errors import InputError
from evalsuite.progress import Silent
from evalsuite.rows import Row


def by(found: Survey, model: str) -> dict[tuple[str, str], Row]:
    rows = {(row.metric, row.slice): row for row in found.rows if row.model == model}
    assert len(rows) == sum(row.model == model for row in found.rows), "two rows say the same"
    return rows


def values(rows: Mapping[tuple[str, str], Row], where: str, *metrics: str) -> list[float | None]:
    return [rows[metric, where].value for metric in metrics]


def test_sizes_are_squares_or_pairs_in_the_order_of_their_areas():
    assert parse("512, 64x128,128x64,64") == (Size(64, 64), Size(64, 128), Size(128, 64), Size(512, 512))
    assert [size.slice for size in parse("64,64x128")] == ["side=64", "size=64x128"]
    assert Size(250, 24).fitting(16) == (256, 32)
    assert Size(1, 23).fitting(16) == (16, 16)


@pytest.mark.parametrize("text", ["", "0", "64x", "x64", "6.4", "-64", "64x64x64", "65537", "100000", "64,,128", "٦٤"])
def test_sizes_that_are_none_are_refused(text: str):
    with pytest.raises(InputError, match="--sizes"):
        parse(text)


def test_too_many_sizes_are_refused():
    with pytest.raises(InputError, match="65 sizes are more than 64"):
        parse(",".join(map(str, range(1, 66))))


def test_parts_of_a_forward_and_of_a_picture_add_up(card: Callable[..., str], counted: Callable[..., Survey]):
    rows = by(counted(card()), card())
    parts = values(rows, "side=512", *(names.CORE, names.PROJECTIONS, names.MLP, names.CONVOLUTION, names.OTHER))
    forward, vae, picture = values(rows, "side=512", names.FORWARD, names.VAE, names.PICTURE)
    assert sum(part or 0 for part in parts) == forward
    assert picture == 20 * 2 * forward + rows[names.TEXT, "all"].value + vae  # type: ignore[operator]
    assert rows[names.PICTURE, "side=512"].note == "20 predictions of 2 rows; text and VAE once"


@pytest.mark.parametrize(
    ("changes", "own", "rows", "predictions"),
    [
        ({}, (), 2, 20),
        ({"guidance": 1.0, "batch": 3}, (), 3, 20),
        ({"sampler": "heun", "steps": 5}, (), 2, 10),
        ({"sampler": "midpoint", "steps": 5}, (), 2, 10),
        ({"sampler": "heun", "steps": 5}, ("ddim", "heun"), 2, 9),
        ({"sampler": "ddim", "steps": 5}, ("ddim", "heun"), 2, 5),
    ],
)
def test_a_picture_takes_as_many_passes_as_a_run(
    changes: dict[str, Any], own: tuple[str, ...], rows: int, predictions: int
):
    network = Network(torch.nn.Identity(), lambda _: lambda: None)
    plan, subject = Plan(sizes=(), **changes), Subject("a", network, stride=8, factor=8, samplers=own)
    assert (plan.rows(subject), plan.predictions(subject)) == (rows, predictions)
    assert plan.rows(replace(subject, two_pass=False)) == plan.batch


def test_memory_follows_dtype_and_rows(card: Callable[..., str]):
    size = Size(512, 512)

    def peak(dtype: torch.dtype, rows: int, network: str = "denoiser") -> int:
        return Counts(find(card()), dtype).activations(network, size, rows)

    alone = peak(torch.float32, 1)
    assert 3.8 * alone < peak(torch.float32, 4) <= 4 * alone  # angles are there once, however many rows
    assert 0.5 * alone <= peak(torch.bfloat16, 1) < 0.8 * alone  # rotations are in fp32
    assert peak(torch.bfloat16, 1, "vae") == peak(torch.float32, 1, "vae")


def test_weights_take_as_many_bytes_as_their_dtype_and_the_vae_s_always_4(
    card: Callable[..., str], counted: Callable[..., Survey]
):
    full, half = by(counted(card()), card()), by(counted(card(), "64", dtype="bf16"), card())
    assert half[names.WEIGHTS, "all"].value * 2 == full[names.WEIGHTS, "all"].value  # type: ignore[operator]
    assert half[names.VAE_WEIGHTS, "all"] == full[names.VAE_WEIGHTS, "all"]
    assert half[names.WEIGHTS, "all"].protocol == "in bf16"
    assert half[names.ACTIVATIONS, "side=64"].protocol.endswith("bf16, 2 rows")
    assert half[names.FORWARD, "side=64"] == full[names.FORWARD, "side=64"]


def test_doubling_says_4_for_tokens_and_linear_attention_and_16_for_softmax(
    card: Callable[..., str], counted: Callable[..., Survey]
):
    rows = by(counted(card("unet"), "512,4096"), card("unet"))
    tokens, core, linear = values(rows, "side=4096", names.DOUBLED_TOKENS, names.DOUBLED_CORE, names.DOUBLED_LINEAR)
    assert tokens == 4
    n, words = 128**2, 3  # n (n + words) grows to 4 n (4 n + words)
    assert core == pytest.approx(4 * (4 * n + words) / (n + words), rel=1e-12)
    assert linear == pytest.approx(4, rel=1e-4)
    joint = by(counted(card()), card())
    doubled = joint[names.DOUBLED_CORE, "side=1024"]
    assert doubled.value == pytest.approx((4096 + words) ** 2 / (1024 + words) ** 2, rel=1e-12)
    assert doubled.note == "16 but for 3 tokens of text"
    assert joint[names.TOKENS, "side=1024"].value == 1024
    assert joint[names.TOKENS, "side=1024"].note == "beside 3 of text"


def test_pixel_space_is_the_same_network_at_as_many_pixels_as_there_were_latents(
    card: Callable[..., str], counted: Callable[..., Survey]
):
    rows = by(counted(card()), card())
    assert rows[names.PIXEL, "side=64"].value == rows[names.FORWARD, "side=512"].value
    forward, picture = rows[names.FORWARD, "side=512"].value, rows[names.PIXEL_PICTURE, "side=64"].value
    assert picture == 40 * forward + rows[names.TEXT, "all"].value  # type: ignore[operator]


def test_softmax_and_linear_attention_are_both_built_where_the_network_is_ours(
    card: Callable[..., str], counted: Callable[..., Survey]
):
    rows = by(counted(card()), card())
    softmax, linear = (rows[metric, "side=512"] for metric in (names.SOFTMAX, names.LINEAR))
    assert softmax.value == rows[names.FORWARD, "side=512"].value
    assert linear.value is not None
    assert softmax.value is not None
    assert linear.value < softmax.value
    assert linear.note == "built so, and counted"
    other = by(counted(card("unet"), "512,4096"), card("unet"))[names.LINEAR, "side=512"]
    assert other.note == "calculated from the shapes of its attention"


def test_a_linear_transformer_is_set_against_its_softmax_twin(
    tmp_path: Path, card: Callable[..., str], counted: Callable[..., Survey]
):
    config = json.loads(Path(card()).read_text())
    path = tmp_path / "linear.json"
    path.write_text(json.dumps(config | {"config": config["config"] | {"attention": "linear"}}))
    linear, softmax = by(counted(str(path), "512"), str(path)), by(counted(card()), card())
    metrics = (names.SOFTMAX, names.LINEAR)
    assert values(linear, "side=512", *metrics) == values(softmax, "side=512", *metrics)
    assert linear[names.FORWARD, "side=512"].value == softmax[names.LINEAR, "side=512"].value
    assert linear[names.LINEAR_PAYS, "all"].value == softmax[names.LINEAR_PAYS, "all"].value


def test_a_size_that_the_stride_forbids_is_rounded_and_said_and_counted_once(
    card: Callable[..., str], counted: Callable[..., Survey]
):
    found = counted(f"{card()} toy", "250,256")
    for name in (card(), "toy"):
        assert f"{name}: 250x250 became 256x256: sides must divide by 16 pixels" in found.notes
    assert {row.slice for row in found.rows} == {"all", "side=256"}


def test_a_size_beyond_a_model_s_limit_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch):
    def limited(name: str, _: object = ()) -> Subject:
        network = torch.nn.Linear(3, 3, device="meta")

        def prepare(feed: Feed) -> Callable[[], object]:
            x = feed.noise(feed.width * feed.height, 3)
            return lambda: network(x)

        return Subject(name, Network(network, prepare), stride=8, factor=8, largest=128)

    monkeypatch.setattr("evalsuite.cost.survey.find", limited)
    found = survey(["a"], Plan(sizes=parse("64,128,256")), None, Silent())
    rows = by(found, "a")
    assert {where for _, where in rows} == {"all", "side=64", "side=128"}
    assert found.notes == ("a: 256x256 is left out: the model's position table ends at 128 pixels",)
    assert rows[names.DOUBLED_REST, "side=64"].value == 4
    for metric in (names.DOUBLED_REST, names.PIXEL):
        assert rows[metric, "side=128"].value is None
        assert rows[metric, "side=128"].note == "the model's position table ends at 128 pixels"
    assert rows[names.OVERTAKES, "all"].note.startswith("cannot be told")


def test_what_does_not_exist_has_no_number_but_a_reason(counted: Callable[..., Survey]):
    rows = by(counted("toy", "64"), "toy")
    assert values(rows, "side=64", names.FORWARD, names.PICTURE) == [0, 0]
    for metric in (names.TOKENS, names.SOFTMAX, names.LINEAR, names.DOUBLED_CORE, names.DOUBLED_FORWARD):
        assert rows[metric, "side=64"].value is None
        assert rows[metric, "side=64"].note
    assert rows[names.OVERTAKES, "all"].note == "at no size"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "--batch-size 0"),
        ({"steps": 1001}, "--steps 1001"),
        ({"guidance": -1.0}, "--guidance"),
        ({"guidance": float("nan")}, "--guidance nan"),
        ({"dtype": "fp8"}, "--dtype 'fp8'"),
        ({"sampler": "ddim"}, "has auto, euler, heun, midpoint"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object], message: str, counted: Callable[..., Survey]):
    with pytest.raises(InputError, match=message):
        counted("toy", "64", **changes)
