from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torchvision import transforms

from evalsuite.encoders import dinov2
from evalsuite.encoders.dinov2 import GRID, MEAN, SIDE, STD, DinoEncoder, load, prepare, resample_positions
from evalsuite.encoders.protocol import BATCH
from evalsuite.errors import InputError

State = Mapping[str, torch.Tensor]
SMALL, WIDTH, DEPTH, HEADS = "vit_small_patch14_dinov2", 384, 12, 6


def pixels(height: int, width: int, n: int = BATCH) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dinov2, "ARCHITECTURE", SMALL)
    monkeypatch.setattr(dinov2, "WIDTH", WIDTH)


@pytest.fixture(scope="module")
def state() -> State:
    """Random weights in Meta's layout: positions of 37 x 37 patches, and a mask token."""
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in timm.create_model(SMALL, num_classes=0).state_dict().items()}
    assert shapes["pos_embed"] == (1, 1 + 37 * 37, WIDTH)
    generator, made = torch.Generator().manual_seed(0), {"mask_token": torch.zeros(1, WIDTH)}
    for key, shape in shapes.items():
        around = 1 if "norm" in key and key.endswith("weight") else 0.5 if key.endswith("gamma") else 0
        made[key] = torch.empty(shape).normal_(around, 0.05, generator=generator)
    return made


def reference(state: State, x: torch.Tensor) -> torch.Tensor:
    """The class token as arXiv:2010.11929 and arXiv:2304.07193 have it, operation by operation."""

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.layer_norm(x, (WIDTH,), state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-6)

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ state[f"{name}.weight"].mT + state[f"{name}.bias"]

    def attention(x: torch.Tensor, name: str) -> torch.Tensor:
        q, k, v = linear(x, f"{name}.qkv").unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        mixed = (q @ k.mT * (WIDTH // HEADS) ** -0.5).softmax(-1) @ v  # (B, HEADS, T, 64)
        return linear(mixed.transpose(1, 2).flatten(2), f"{name}.proj")

    patches = F.conv2d(x, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=14)
    x = torch.cat([state["cls_token"].expand(len(x), -1, -1), patches.flatten(2).mT], 1)
    x = x + resample_positions(state["pos_embed"])
    for block in (f"blocks.{number}" for number in range(DEPTH)):
        x = x + state[f"{block}.ls1.gamma"] * attention(norm(x, f"{block}.norm1"), f"{block}.attn")
        hidden = F.gelu(linear(norm(x, f"{block}.norm2"), f"{block}.mlp.fc1"))
        x = x + state[f"{block}.ls2.gamma"] * linear(hidden, f"{block}.mlp.fc2")
    return norm(x, "norm")[:, 0]


@pytest.mark.parametrize(("height", "width"), [(224, 224), (64, 96), (432, 768)])
def test_preparation_equals_dgm_eval_bit_for_bit(height: int, width: int):
    theirs = transforms.Compose(
        [
            transforms.Resize((SIDE, SIDE), transforms.InterpolationMode.BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize(np.array(MEAN), np.array(STD)),
        ]
    )
    images = pixels(height, width, n=2)
    expected = torch.stack([theirs(Image.fromarray(image)) for image in images.permute(0, 2, 3, 1).numpy()])
    torch.testing.assert_close(prepare(images), expected, rtol=0, atol=0)


def test_positions_are_sampled_bicubically_at_a_scale_of_16_1_to_37():
    positions = torch.randn(1, 1 + 37 * 37, 5, generator=torch.Generator().manual_seed(0))
    found = resample_positions(positions)
    assert found.shape == (1, 1 + GRID * GRID, 5)
    at = (torch.arange(GRID) + 0.5) * 37 / 16.1 - 0.5  # of the 37 patches, in units of patches
    relative = (2 * at + 1) / 37 - 1
    grid = torch.stack(torch.meshgrid(relative, relative, indexing="xy"), -1)[None]  # (1, GRID, GRID, 2)
    table = positions[:, 1:].mT.unflatten(2, (37, 37))
    expected = F.grid_sample(table, grid, "bicubic", "border", align_corners=False)  # (1, 5, GRID, GRID)
    torch.testing.assert_close(found[:, 1:], expected.flatten(2).mT, rtol=0, atol=2e-5)
    torch.testing.assert_close(found[:, :1], positions[:, :1], rtol=0, atol=0)
    torch.testing.assert_close(resample_positions(found), found, rtol=0, atol=0)


def test_features_equal_the_papers_operations(state: State):
    images = pixels(100, 60)
    with torch.inference_mode():
        expected = reference(state, prepare(images)).numpy()
    found = DinoEncoder(state, "random:0").images(images)
    assert (found.shape, found.dtype) == ((BATCH, WIDTH), np.float32)
    assert expected.std(0).mean() > 0.01
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_timms_layout_gives_the_same_as_metas_and_neighbours_do_not_matter(state: State, tmp_path: Path):
    resampled = {key: value for key, value in state.items() if key != "mask_token"}
    resampled["pos_embed"] = resample_positions(state["pos_embed"]).contiguous()
    for name, tensors in (("meta", state), ("timm", resampled)):
        save_file(dict(tensors), tmp_path / f"{name}.safetensors")
    meta, other = (load(tmp_path / f"{name}.safetensors", "random:0") for name in ("meta", "timm"))
    images = pixels(64, 64, n=3)
    together = meta.images(images)
    np.testing.assert_array_equal(other.images(images[[2, 0]]), together[[2, 0]])


def test_weights_of_another_network_are_named_in_one_line(state: State):
    changed = dict(state) | {"register_tokens": torch.zeros(1, 4, WIDTH), "norm.bias": torch.zeros(1024)}
    with pytest.raises(InputError) as caught:
        DinoEncoder(changed, "random:0").images(pixels(8, 8, n=1))
    assert str(caught.value) == (
        "dinov2-vitl14 state: weights of another network: norm.bias is 1024, not 384; "
        "register_tokens is 1x4x384, not absent; give the published file"
    )


def test_nothing_is_read_before_an_image_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    network = load(tmp_path / "absent.safetensors", "a" * 64)
    assert (network.id, network.width) == ("dinov2-vitl14", 1024)
    assert network.preprocessing == "224 px PIL bicubic, ImageNet mean and std, fp32"
    assert network.images(pixels(8, 8, n=1)[:0]).shape == (0, 1024)
    with pytest.raises(InputError, match="fetch the weights again"):
        network.images(pixels(8, 8, n=1))


def test_fingerprint_changes_with_weights_and_not_with_the_device():
    one, other, elsewhere = (DinoEncoder({}, *facts).fingerprint for facts in ("a", "b", ("a", "", "cuda")))
    assert one == elsewhere != other


def test_other_rules_and_other_pixels_are_refused():
    with pytest.raises(InputError, match="no resize rule 'clean' for dinov2-vitl14"):
        load(Path("w"), "a", "clean")
    with pytest.raises(ValueError, match="expected uint8"):
        DinoEncoder({}, "a").images(torch.zeros(1, 3, 8, 8))
