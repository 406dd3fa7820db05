"""Our module of facebookresearch/DiT against diffusers', by the key map of its conversion script."""

from __future__ import annotations

import pytest
import torch
from diffusers import DiTTransformer2DModel
from torch import Tensor

from backbones.facebook_dit import FacebookDiT, FacebookDiTConfig, position_table

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = FacebookDiTConfig(width=32, depth=2, heads=2, patch=2, grid=4, rows=11, hidden=128)
LAYERS = {
    "ff.net.0.proj": "mlp.fc1",
    "ff.net.2": "mlp.fc2",
    "attn1.to_out.0": "attn.proj",
    "norm1.linear": "adaLN_modulation.1",
}
SHARED = {  # diffusers keeps a copy in every block
    "norm1.emb.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "norm1.emb.timestep_embedder.linear_2": "t_embedder.mlp.2",
}


def ours(seed: int = 0) -> FacebookDiT:
    network = FacebookDiT(SIZES)
    generator = torch.Generator().manual_seed(seed)
    for value in network.parameters():
        value.data.normal_(0, 0.15, generator=generator)
    return network.eval().requires_grad_(False)


def mapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    found = {}
    for kind in ("weight", "bias"):
        found[f"pos_embed.proj.{kind}"] = state[f"x_embedder.proj.{kind}"]
        found[f"proj_out_1.{kind}"] = state[f"final_layer.adaLN_modulation.1.{kind}"]
        found[f"proj_out_2.{kind}"] = state[f"final_layer.linear.{kind}"]
        for i in range(SIZES.depth):
            block = f"transformer_blocks.{i}"
            parts = zip("qkv", state[f"blocks.{i}.attn.qkv.{kind}"].chunk(3), strict=True)
            found |= {f"{block}.attn1.to_{part}.{kind}": rows for part, rows in parts}
            found |= {f"{block}.{theirs}.{kind}": state[f"blocks.{i}.{own}.{kind}"] for theirs, own in LAYERS.items()}
            found |= {f"{block}.{theirs}.{kind}": state[f"{own}.{kind}"] for theirs, own in SHARED.items()}
    table = "norm1.emb.class_embedder.embedding_table.weight"
    labels = state["y_embedder.embedding_table.weight"]
    return found | {f"transformer_blocks.{i}.{table}": labels for i in range(SIZES.depth)}


def theirs(network: FacebookDiT, shift: int) -> DiTTransformer2DModel:
    found = DiTTransformer2DModel(
        num_attention_heads=SIZES.heads,
        attention_head_dim=SIZES.width // SIZES.heads,
        in_channels=4,
        out_channels=8,
        num_layers=SIZES.depth,
        sample_size=SIZES.grid * SIZES.patch,
        patch_size=SIZES.patch,
        num_embeds_ada_norm=SIZES.rows - 1,
        norm_eps=1e-6,
    )
    lacking, unknown = found.load_state_dict(mapped(network.state_dict()), strict=False)
    assert unknown == []
    assert set(lacking) <= {"pos_embed.pos_embed"}
    for block in found.transformer_blocks:
        block.norm1.emb.time_proj.downscale_freq_shift = shift
    return found.eval().requires_grad_(False)


def outputs(shift: int) -> tuple[Tensor, Tensor]:
    network, generator = ours(), torch.Generator().manual_seed(1)
    x, t, labels = torch.randn(3, 4, 8, 8, generator=generator), torch.tensor([0, 417, 999]), torch.tensor([0, 7, 10])
    peer = theirs(network, shift)(x, timestep=t, class_labels=labels).sample
    return network(x, t.float(), labels), peer


def test_it_equals_diffusers_with_the_frequencies_of_the_repository():
    own, peer = outputs(shift=0)
    assert own.std() > 0.1
    assert (own - peer).abs().max() <= 1e-5


def test_diffusers_as_it_is_has_other_frequencies_of_the_timestep():
    """Its shift of 1 is a known difference (metrics of the two are not those of one model), not a tolerance of ours."""
    own, peer = outputs(shift=1)
    assert 1e-3 < (own - peer).abs().max() < own.abs().max()


def test_the_position_table_has_the_columns_first_and_extends_to_any_grid():
    table = position_table(2, 3, 8)[0].double()
    rate = torch.tensor([1.0, 0.01], dtype=torch.float64)  # 10000^(-i / 2)
    row, column = 1, 2
    wanted = torch.cat([(column * rate).sin(), (column * rate).cos(), (row * rate).sin(), (row * rate).cos()])
    torch.testing.assert_close(table[row * 3 + column], wanted, atol=1e-7, rtol=0)
    assert torch.equal(position_table(3, 3, 8)[0].view(3, 3, 8)[:2], position_table(2, 3, 8)[0].view(2, 3, 8))


def test_a_wide_image_has_the_tokens_of_its_own_grid():
    """With one patch shown and the rest alike, its output lands where the patch is."""
    network = ours()
    x = torch.zeros(1, 4, 4, 12)
    x[:, :, 2:4, 8:10] = 1
    with_patch = network(x, torch.tensor([5.0]), torch.tensor([1]))
    without = network(torch.zeros_like(x), torch.tensor([5.0]), torch.tensor([1]))
    changed = (with_patch - without).abs().sum(1)[0]  # (h, w)
    assert with_patch.shape == (1, 8, 4, 12)
    assert changed.flatten().argmax().item() in {r * 12 + c for r in (2, 3) for c in (8, 9)}


def test_positions_that_were_learned_are_noticed():
    network = ours()
    assert network.has_fixed_positions
    network.pos_embed += 1e-3
    assert not network.has_fixed_positions


def test_xl_2_has_the_published_number_of_weights():
    """675 million (arXiv:2212.09748, table 1)."""
    with torch.device("meta"):
        network = FacebookDiT(
            FacebookDiTConfig(width=1152, depth=28, heads=16, patch=2, grid=16, rows=1001, hidden=4608)
        )
    assert round(sum(weight.numel() for weight in network.parameters()) / 1e6) == 675
