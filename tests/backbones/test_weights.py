from __future__ import annotations

import json
import struct
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

import backbones
from backbones import bundled
from backbones.checkpoint import MAX_HEADER, CheckpointError, load_into, read_shapes, save_half, sha256_of
from backbones.pipeline import LatentDiffusion

Published = tuple[LatentDiffusion, Path]


def with_header(path: Path, header: bytes, body: bytes = b"") -> Path:
    path.write_bytes(struct.pack("<Q", len(header)) + header + body)
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    save_half(path, {"net": nn.Linear(3, 2)})
    return path


def test_half_precision_round_trip(saved: Path):
    net = nn.Linear(3, 2)
    load_into(saved, {"net": net})
    stored = load_file(saved)
    assert {key: value.dtype for key, value in stored.items()} == dict.fromkeys(["net.weight", "net.bias"], torch.half)
    assert net.weight.dtype == torch.float32
    assert torch.equal(net.weight, stored["net.weight"].float())


def test_files_do_not_depend_on_the_memory_layout(tmp_path: Path):
    net = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 4, 1))
    plain = save_half(tmp_path / "plain.safetensors", {"net": net})
    assert save_half(tmp_path / "last.safetensors", {"net": net.to(memory_format=torch.channels_last)}) == plain


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        (nn.Linear(3, 4), r"net.bias is 2, expected 4; net.weight is 2x3, expected 4x3$"),
        (nn.Linear(3, 2, bias=False), r"net.bias is 2, expected absent$"),
        (nn.Sequential(*[nn.Linear(1, 1) for _ in range(3)]), r"net.0.weight is absent, expected 1x1; .*; and 5 more$"),
    ],
)
def test_another_architecture_is_refused_with_keys_and_shapes(saved: Path, module: nn.Module, complaint: str):
    before = {key: value.clone() for key, value in module.state_dict().items()}
    with pytest.raises(CheckpointError, match=complaint):
        load_into(saved, {"net": module})
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused_both_ways(tmp_path: Path, value: float):
    path, net = tmp_path / "net.safetensors", nn.Linear(2, 1)
    save_file({"net.weight": torch.tensor([[1.0, value]]), "net.bias": torch.zeros(1)}, path)
    before = net.weight.detach().clone()
    with pytest.raises(CheckpointError, match=r"'net.weight' holds values that are not finite"):
        load_into(path, {"net": net})
    assert torch.equal(net.weight, before)
    with torch.no_grad():
        net.weight[0, 0] = 1e6  # beyond fp16
    with pytest.raises(CheckpointError, match="not finite"):
        save_half(tmp_path / "other.safetensors", {"net": net})
    assert not (tmp_path / "other.safetensors").exists()


def test_integers_in_the_place_of_weights_are_refused(tmp_path: Path):
    path = tmp_path / "net.safetensors"
    save_file({"net.weight": torch.ones(1, 2, dtype=torch.int32), "net.bias": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"'net.weight' is torch.int32, expected torch.float32"):
        load_into(path, {"net": nn.Linear(2, 1)})


def test_headers_that_are_too_large_are_refused_unread(tmp_path: Path):
    path = tmp_path / "bomb.safetensors"
    path.write_bytes(struct.pack("<Q", MAX_HEADER + 1) + b"{}")
    with pytest.raises(CheckpointError, match="header of 16777217 bytes"):
        read_shapes(path)
    many = {f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(50_001)}
    with pytest.raises(CheckpointError, match="50001 tensors; at most 50000"):
        read_shapes(with_header(path, json.dumps(many).encode()))


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (b"not json", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[" * 200_000, "not valid JSON"),
        (b"[1,2]", "not a table of tensors"),
        (b'{"a": 3}', "'a' has no valid shape"),
        (b'{"a": {"shape": [-1]}}', "'a' has no valid shape"),
        (b'{"a": {"shape": ["2"]}}', "'a' has no valid shape"),
    ],
)
def test_malformed_headers_are_refused_in_one_line(tmp_path: Path, header: bytes, complaint: str):
    with pytest.raises(CheckpointError, match=complaint) as caught:
        read_shapes(with_header(tmp_path / "bad.safetensors", header))
    assert "\n" not in str(caught.value)


def test_a_missing_file_an_empty_one_and_a_folder_are_refused(tmp_path: Path):
    (tmp_path / "empty").touch()
    for name in ("absent", "empty", "."):
        with pytest.raises(CheckpointError):
            read_shapes(tmp_path / name)


def test_a_truncated_file_is_refused(saved: Path):
    saved.write_bytes(saved.read_bytes()[:-4])
    with pytest.raises(CheckpointError) as caught:
        load_into(saved, {"net": nn.Linear(3, 2)})
    assert "\n" not in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_file_is_refused_or_loads_finite_values(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    path = tmp_path_factory.mktemp("fuzz") / "net.safetensors"
    save_half(path, {"net": nn.Linear(2, 2)})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    net = nn.Linear(2, 2)
    with suppress(CheckpointError):
        load_into(path, {"net": net})
    assert all(value.isfinite().all() for value in net.state_dict().values())


def test_published_files_load_into_the_same_model(published: Published):
    whole, folder = published
    again = bundled.load("dit", folder)
    assert again.name == "dit"
    assert {weight.dtype for weight in again.denoiser.parameters()} == {torch.float32}
    assert not any(
        weight.requires_grad for part in (again.denoiser, again.text, again.vae) for weight in part.parameters()
    )
    assert not again.denoiser.training
    for part in ("denoiser", "text", "vae"):
        rounded = {key: value.half().float() for key, value in getattr(whole, part).state_dict().items()}
        found = getattr(again, part).state_dict()
        assert all(torch.equal(found[key], value) for key, value in rounded.items())
    card = json.loads((folder / "dit.json").read_text())
    assert card["sha256"] == sha256_of(folder / "dit.safetensors")
    assert bundled.load("dit", folder).fingerprint == again.fingerprint


@pytest.mark.parametrize("name", ["dit", "vae"])
def test_a_changed_byte_in_the_weights_is_refused(published: Published, name: str):
    _, folder = published
    path = folder / f"{name}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}.safetensors: SHA-256 .* is not the card's"):
        bundled.load("dit", folder)


@pytest.mark.parametrize("file", ["dit.json", "dit.safetensors", "vae.json", "vae.safetensors"])
def test_a_missing_file_is_told_in_one_line(published: Published, file: str):
    _, folder = published
    (folder / file).unlink()
    with pytest.raises(ValueError, match=f"{file}: No such file or directory") as caught:
        bundled.load("dit", folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"kind": "gan"}, "kind 'gan' is neither dit nor unet"),
        ({"config": {"depths": 3}}, "DiTConfig: .*'depths'"),
        ({"config": {}}, "expected"),  # the defaults are another architecture
        ({"config": {"width": "wide"}}, "DiTConfig: empty"),
        ({"config": 3}, "DiTConfig"),
        ({"vocabulary": ["a"]}, "does not fit a text encoder"),
        ({"text": {}}, "TextConfig"),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(published: Published, change: dict[str, object], complaint: str):
    _, folder = published
    path = folder / "dit.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=complaint) as caught:
        bundled.load("dit", folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["sha256", "config", "vocabulary", "text"])
def test_a_card_that_lacks_a_key_is_refused(published: Published, key: str):
    _, folder = published
    path = folder / "dit.json"
    card = json.loads(path.read_text())
    del card[key]
    path.write_text(json.dumps(card))
    with pytest.raises(ValueError, match=f"the card lacks {key}"):
        bundled.load("dit", folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00"])
def test_a_card_that_is_no_json_object_is_refused(published: Published, text: str):
    _, folder = published
    (folder / "dit.json").write_text(text)
    with pytest.raises(ValueError, match=r"dit\.json"):
        bundled.load("dit", folder)


@pytest.mark.parametrize("name", ["dit", "unet"])
def test_the_bundled_models_load_and_answer(name: str):
    whole = backbones.load(name)
    u = whole.velocity(torch.randn(1, *whole.latent_shape(256, 256)), torch.ones(1), whole.encode(["a red cat"]))
    assert u.shape == (1, 4, 32, 32)
    assert u.isfinite().all()
