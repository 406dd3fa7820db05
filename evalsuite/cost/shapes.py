"""Published architectures, said in configurations alone: sizes of layers, no weights.

Sources: DiT, arXiv:2212.09748, table 1; the others as their config.json files say: Stable Diffusion 1.5
(arXiv:2112.10752), SDXL base 1.0 (arXiv:2307.01952), FLUX.1 dev, with CLIP ViT-L/14, CLIP ViT-bigG/14 and T5 v1.1 XXL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backbones.facebook_dit import FacebookDiTConfig

PREFIX = "shape:"
Config = Mapping[str, Any]

DIT = {
    "dit-s-2": FacebookDiTConfig(width=384, depth=12, heads=6, patch=2, grid=16, rows=1001, hidden=1536),
    "dit-b-2": FacebookDiTConfig(width=768, depth=12, heads=12, patch=2, grid=16, rows=1001, hidden=3072),
    "dit-l-2": FacebookDiTConfig(width=1024, depth=24, heads=16, patch=2, grid=16, rows=1001, hidden=4096),
    "dit-xl-2": FacebookDiTConfig(width=1152, depth=28, heads=16, patch=2, grid=16, rows=1001, hidden=4608),
}
VAE: Config = {  # of Stable Diffusion 1, SDXL and DiT
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 32,
}
CLIP_L: Config = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "vocab_size": 49408,
    "projection_dim": 768,
}
CLIP_BIG_G: Config = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "max_position_embeddings": 77,
    "vocab_size": 49408,
    "projection_dim": 1280,
    "hidden_act": "gelu",
}
T5_XXL: Config = {
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "vocab_size": 32128,
    "feed_forward_proj": "gated-gelu",
}
SD15: Config = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "attention_head_dim": 8,  # heads, in spite of its name
    "cross_attention_dim": 768,
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
}
SDXL: Config = {
    "sample_size": 128,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [320, 640, 1280],
    "layers_per_block": 2,
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "transformer_layers_per_block": [1, 2, 10],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "down_block_types": ["DownBlock2D", *["CrossAttnDownBlock2D"] * 2],
    "up_block_types": [*["CrossAttnUpBlock2D"] * 2, "UpBlock2D"],
}
FLUX: Config = {
    "patch_size": 1,
    "in_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": True,
    "axes_dims_rope": [16, 56, 56],
}
FLUX_VAE: Config = {**VAE, "latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False}

Encoders = Mapping[str, tuple[str, Config]]
PIPELINES: Mapping[str, tuple[str, Config, Config, Encoders]] = {  # name -> pipeline, denoiser, VAE, text encoders
    "sd15-unet": ("StableDiffusionPipeline", SD15, VAE, {"text_encoder": ("CLIPTextModel", CLIP_L)}),
    "sdxl-unet": (
        "StableDiffusionXLPipeline",
        SDXL,
        VAE,
        {"text_encoder": ("CLIPTextModel", CLIP_L), "text_encoder_2": ("CLIPTextModelWithProjection", CLIP_BIG_G)},
    ),
    "flux-dev": (
        "FluxPipeline",
        FLUX,
        FLUX_VAE,
        {"text_encoder": ("CLIPTextModel", CLIP_L), "text_encoder_2": ("T5EncoderModel", T5_XXL)},
    ),
}
NAMES = (*DIT, *PIPELINES)
