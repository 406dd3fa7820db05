from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from evalsuite.encoders import inception
from evalsuite.encoders.inception import InceptionEncoder, load
from evalsuite.encoders.inception_v3 import InceptionV3
from evalsuite.encoders.protocol import BATCH, in_fixed_batches
from evalsuite.errors import InputError

State = Mapping[str, torch.Tensor]


def pixels(height: int, width: int, n: int = BATCH) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height)
    coarse = torch.randint(0, 256, (n, 3, 9, 9), generator=generator).float()  # pictures, not noise: features differ
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 255).to(torch.uint8)


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative, of rows with their mean taken away: what all images share would hide a difference."""
    spread = np.linalg.norm(expected - expected.mean(0))
    return float(np.linalg.norm(found - expected) / spread)


@pytest.fixture(scope="session")
def state() -> State:
    """Random weights whose batch norms do something."""
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in InceptionV3().state_dict().items()}
    generator, made = torch.Generator().manual_seed(0), {}
    for key, shape in shapes.items():
        if key.endswith("num_batches_tracked"):
            made[key] = torch.tensor(7)
        elif key.endswith(("running_var", "bn.weight")):
            made[key] = torch.empty(shape).uniform_(0.5, 1.5, generator=generator)
        else:
            scale = (2 / shape[1:].numel()) ** 0.5 if len(shape) > 1 else 0.1
            made[key] = torch.empty(shape).normal_(0, scale, generator=generator)
    return made


@pytest.fixture(scope="session")
def weights(state: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "inception.safetensors"
    save_file(dict(state), path)
    return path


@pytest.fixture(scope="session")
def pickled(state: State, tmp_path_factory: pytest.TempPathFactory) -> str:
    """For torch-fidelity and torchmetrics, which read nothing else."""
    path = tmp_path_factory.mktemp("inception") / "inception.pth"
    torch.save(dict(state), path)
    return str(path)


def encoder(state: State, rule: str = "tf1", folded: bool = False) -> InceptionEncoder:
    return InceptionEncoder(state, "random:0", rule, folded=folded)


def test_state_has_the_layout_of_the_published_file(state: State):
    assert len(state) == 566
    assert sum(value.numel() for value in state.values()) == 23_885_486
    assert state["fc.weight"].shape == (1008, 2048)
    assert {"Conv2d_1a_3x3.conv.weight", "Mixed_7c.branch_pool.bn.num_batches_tracked"} <= state.keys()


@pytest.mark.parametrize(("height", "width"), [(299, 299), (64, 64), (256, 256), (432, 768)])
def test_plain_form_equals_torch_fidelity_bit_for_bit(state: State, pickled: str, height: int, width: int):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    images = pixels(height, width)
    theirs = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=pickled)
    with torch.inference_mode():
        (expected,) = theirs(images)
    assert expected.std(0).mean() > 0.01
    np.testing.assert_array_equal(encoder(state).images(images), expected.numpy())


@pytest.mark.parametrize(("antialias", "rule"), [(False, "tf1"), (True, "antialias")])
def test_plain_form_equals_torchmetrics_bit_for_bit(state: State, pickled: str, antialias: bool, rule: str):
    from torchmetrics.image.fid import FrechetInceptionDistance

    images = pixels(96, 160)
    theirs = FrechetInceptionDistance(feature_extractor_weights_path=pickled, antialias=antialias)
    with torch.inference_mode():
        expected = theirs.inception(images)
    np.testing.assert_array_equal(encoder(state, rule).images(images), expected.numpy())


def test_plain_form_equals_pytorch_fid_bit_for_bit(state: State, monkeypatch: pytest.MonkeyPatch):
    import pytorch_fid.inception as peer

    monkeypatch.setattr(peer, "load_state_dict_from_url", lambda *args, **kwargs: dict(state))
    images, theirs = pixels(96, 160), peer.InceptionV3().eval()
    with torch.inference_mode():
        expected = theirs(images.float() / 255)[0].flatten(1)
    np.testing.assert_array_equal(encoder(state, "pytorch-fid").images(images), expected.numpy())


def test_folded_form_equals_the_plain_one_to_one_in_100_000(state: State):
    images = pixels(96, 160)
    plain, folded = encoder(state).images(images), encoder(state, folded=True).images(images)
    assert folded.dtype == np.float32
    np.testing.assert_allclose(folded, plain, rtol=0, atol=1e-5 * np.abs(plain).max())
    assert distance(folded, plain) < 1e-4
    assert distance(encoder(state, "pytorch-fid", folded=True).images(images), plain) > 1e-2


def test_features_do_not_depend_on_neighbours(weights: Path):
    network, images = load(weights, "random:0", "tf1"), pixels(64, 64, n=BATCH + 1)
    together = network.images(images)
    assert together.shape == (BATCH + 1, 2048)
    np.testing.assert_array_equal(network.images(images[-1:]), together[-1:])
    np.testing.assert_array_equal(network.images(images[[5, 2]]), together[[5, 2]])


def test_batch_shape_is_the_same_whatever_the_rows():
    seen = []

    def forward(rows: torch.Tensor) -> torch.Tensor:
        seen.append(len(rows))
        return rows * 2

    rows = torch.arange(10.0)[:, None]
    torch.testing.assert_close(in_fixed_batches(forward, rows, 4), rows * 2, rtol=0, atol=0)
    assert seen == [4, 4, 4]


def test_nothing_is_read_before_an_image_comes(tmp_path: Path):
    network = load(tmp_path / "absent.safetensors", "a" * 64, "clean")
    assert (network.id, network.width) == ("inception-clean", 2048)
    assert network.preprocessing == "299 px PIL bicubic unrounded, (x-128)/128, fp32"
    assert network.images(pixels(8, 8, n=1)[:0]).shape == (0, 2048)
    with pytest.raises(InputError, match="fetch the weights again"):
        network.images(pixels(8, 8, n=1))


def test_fingerprint_changes_with_weights_rule_and_form_and_not_with_the_device():
    def fingerprint(weights: str = "a", rule: str = "tf1", folded: bool = True, device: str = "cpu") -> str:
        return InceptionEncoder({}, weights, rule, device, folded).fingerprint

    others = [fingerprint("b"), fingerprint(rule="clean"), fingerprint(folded=False)]
    assert len({fingerprint(), *others}) == 4
    assert fingerprint(device="cuda") == fingerprint()


def test_weights_of_another_network_are_named_in_one_line(state: State):
    changed = {key: value for key, value in state.items() if key != "Conv2d_1a_3x3.bn.bias"}
    changed |= {"fc.weight": torch.zeros(1000, 2048), "AuxLogits.fc.weight": torch.zeros(1000, 768)}
    with pytest.raises(InputError) as caught:
        InceptionEncoder(changed, "random:0", "tf1").images(pixels(8, 8, n=1))
    assert str(caught.value) == (
        "inception state: weights of another network: AuxLogits.fc.weight is 1000x768, not absent; "
        "Conv2d_1a_3x3.bn.bias is absent, not 32; fc.weight is 1000x2048, not 1008x2048; give the published file"
    )


def test_unknown_rule_is_refused_with_those_that_are_known():
    with pytest.raises(InputError, match="no resize rule 'bilinear' for inception: take one of tf1, antialias, clean"):
        inception.load(Path("w"), "a", "bilinear")


def test_pixels_that_are_no_bytes_are_refused():
    with pytest.raises(ValueError, match="expected uint8"):
        InceptionEncoder({}, "a", "tf1").images(torch.zeros(1, 3, 8, 8))


def test_damaged_weights_are_refused(state: State):
    damaged = dict(state) | {"Mixed_7c.branch_pool.bn.bias": torch.full((192,), torch.nan)}
    with pytest.raises(InputError, match="features that are not finite"):
        InceptionEncoder(damaged, "random:0", "tf1").images(pixels(8, 8, n=1))
