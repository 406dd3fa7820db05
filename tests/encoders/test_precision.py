from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from evalsuite.encoders import hps
from evalsuite.encoders.hps import HPSEncoder
from evalsuite.encoders.inception import InceptionEncoder
from evalsuite.encoders.precision import exact
from evalsuite.errors import InputError

SMALL = "ViT-S-32-alt"
CPU = torch.device("cpu")


def flags() -> tuple[object, ...]:
    backends: Any = torch.backends
    return (
        backends.cudnn.allow_tf32,
        backends.cudnn.deterministic,
        backends.cuda.matmul.fp32_precision,
        backends.mkldnn.matmul.fp32_precision,
        torch.is_autocast_enabled("cpu"),
    )


def test_tf32_is_on_only_where_it_is_named_and_all_is_left_as_it_was():
    before = flags()
    with torch.autocast("cpu", torch.bfloat16), exact(CPU):
        assert flags() == (False, True, "ieee", "ieee", False)
        with exact(CPU, "tf32"):
            assert flags() == (True, True, "tf32", "ieee", False)
        assert flags() == (False, True, "ieee", "ieee", False)
    assert flags() == before


@pytest.fixture(scope="module")
def network() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hps, "ARCHITECTURE", SMALL)
        torch.manual_seed(0)
        yield open_clip.create_model(SMALL, precision="fp32", load_weights=False)


def encoder(network: Any, precision: str) -> HPSEncoder:
    def made() -> Any:
        copy = open_clip.create_model(SMALL, precision="fp32", load_weights=False)
        copy.load_state_dict(network.state_dict())
        return copy

    return HPSEncoder(made, "random:0", "v2.1", precision=precision)


def test_half_precision_is_another_protocol_and_stays_near_fp32(network: Any):
    images = torch.randint(0, 256, (3, 3, 40, 60), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole, half = encoder(network, "fp32"), encoder(network, "bf16")
    assert (whole.id, half.id) == ("v2.1", "v2.1-bf16")
    assert whole.fingerprint != half.fingerprint
    assert half.preprocessing == whole.preprocessing.replace("fp32", "bf16")
    texts = ["a red cat", "two dogs"]
    for exactly, roughly in ((whole.images(images), half.images(images)), (whole.texts(texts), half.texts(texts))):
        assert roughly.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(roughly, axis=1), 1, rtol=1e-6)  # the norm is taken in fp32
        np.testing.assert_allclose(roughly, exactly, atol=0.01)  # bf16 has 8 bits; entries are about 1 / 16
        assert (roughly != exactly).any()


def test_what_is_too_large_for_half_precision_is_told_from_damage(network: Any):
    half = encoder(network, "bf16")
    half.model.visual.conv1.weight.data.fill_(float("inf"))
    with pytest.raises(InputError, match=r"too large for bf16, or its weights are damaged: score in fp32"):
        half.images(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


def test_inception_in_tf32_is_another_protocol():
    whole, tf32 = (InceptionEncoder({}, "random:0", "tf1", precision=name) for name in ("fp32", "tf32"))
    assert (whole.id, tf32.id) == ("inception-tf1", "inception-tf1-tf32")
    assert whole.fingerprint != tf32.fingerprint
    assert tf32.preprocessing.endswith("tf32")
