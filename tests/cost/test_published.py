"""FLOP of published architectures at published sizes, against what others have printed.

Papers print multiply-adds as "Gflops" or "MACs"; ours are two for each. Counters that watch modules or traces alone
(thop, torchprofile) miss the two products inside fused attention: their counts are compared with everything but that
core, and say that the core is told apart rightly.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from backbones.adm_unet import ADMConfig
from evalsuite.cost.count import Counts
from evalsuite.cost.memory import parameters
from evalsuite.cost.own import of_adm
from evalsuite.cost.size import Size

CLOSE = 0.02


@pytest.mark.parametrize(
    ("shape", "side", "giga_macs"),
    [  # the authors' own, arXiv:2212.09748, table 4; facebookresearch/DiT's README rounds the last two to 119 and 525
        ("dit-s-2", 256, 6.06),
        ("dit-b-2", 256, 23.01),
        ("dit-l-2", 256, 80.71),
        ("dit-xl-2", 256, 118.64),
        ("dit-xl-2", 512, 524.60),
    ],
)
def test_dit_costs_what_its_paper_says(shape: str, side: int, giga_macs: float, counts: Callable[[str], Counts]):
    found = counts(f"shape:{shape}").split("denoiser", Size(side, side))
    assert found.total == pytest.approx(2e9 * giga_macs, rel=CLOSE)


@pytest.mark.parametrize(
    ("side", "mult", "giga_macs"),
    [(256, (1, 1, 2, 2, 4, 4), 1120), (512, (0.5, 1, 1, 2, 2, 4, 4), 1983)],  # DiT's authors, arXiv:2212.09748
)
def test_adm_costs_what_the_paper_of_dit_says(side: int, mult: tuple[float, ...], giga_macs: float):
    config = ADMConfig(
        channels=256, blocks=2, mult=mult, attention=(side // 32, side // 16, side // 8), head_channels=64,
        classes=1000, learned_variance=True, residual_resize=True,
    )  # fmt: skip
    found = Counts(of_adm("adm", config), torch.float32)
    assert found.split("denoiser", Size(side, side)).total == pytest.approx(2e9 * giga_macs, rel=CLOSE)


def test_stable_diffusion_costs_what_others_counted(counts: Callable[[str], Counts]):
    """BK-SDM's authors (arXiv:2305.15798, its repository's issue 53), by thop, for version 1.4: the same networks."""
    found, size = counts("shape:sd15-unet"), Size(512, 512)
    assert parameters([found.subject.denoiser.module]) == 859_520_964
    for network, macs in (("denoiser", 338_749_194_240), ("vae", 1_240_079_532_032), ("text", 6_545_882_112)):
        assert found.split(network, size).rest == pytest.approx(2 * macs, rel=CLOSE), network


def test_stable_diffusion_costs_401_giga_macs_with_its_attention(counts: Callable[[str], Counts]):
    """No paper's: 401.6 is what FlopCounterMode of PyTorch counts, with every product of the attention."""
    assert counts("shape:sd15-unet").split("denoiser", Size(512, 512)).total == pytest.approx(803.27e9, rel=1e-4)


def test_flux_costs_what_papers_and_others_counted(counts: Callable[[str], Counts]):
    found = counts("shape:flux-dev")
    assert parameters([found.subject.denoiser.module]) == pytest.approx(11.901e9, rel=1e-3)
    forward = found.split("denoiser", Size(1024, 1024))
    # Of 50 steps, TFLOP: ResCa (CVPR 2026, table 1) 3719.5; cache-dit's benchmark, by calflops, 3726.87.
    assert forward.total == pytest.approx(3719.5e12 / 50, rel=CLOSE)
    assert forward.total == pytest.approx(3726.87e12 / 50, rel=CLOSE)
    # Hugging Face's benchmark of diffusers (datasets/diffusers/benchmarks), by torchprofile, without attention's core.
    assert forward.rest == pytest.approx(59_523.04e9, rel=CLOSE)


def test_sdxl_costs_what_others_counted(counts: Callable[[str], Counts]):
    """Hugging Face's benchmark of diffusers, by torchprofile, without attention's core: 5979.1 GFLOP."""
    found = counts("shape:sdxl-unet")
    assert parameters([found.subject.denoiser.module]) == pytest.approx(2.56746e9, rel=1e-4)
    assert found.split("denoiser", Size(1024, 1024)).rest == pytest.approx(5979.1e9, rel=CLOSE)


def test_flux_decodes_for_as_much_as_was_counted_before(counts: Callable[[str], Counts]):
    """No paper's: an earlier count of ours, 10,472 GFLOP."""
    assert counts("shape:flux-dev").split("vae", Size(1024, 1024)).total == pytest.approx(10_472e9, rel=CLOSE)
