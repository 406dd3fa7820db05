"""Pipelines of diffusers with the real classes and a few random weights, written to folders as their authors do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    DDIMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    PNDMScheduler,
    SanaPipeline,
    SanaTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

STABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
CLASSES = {0: "tench, Tinca tinca", 1: "goldfish, Carassius auratus", 2: "great white shark"}


def clip_tokenizer(folder: Path) -> CLIPTokenizer:
    """A vocabulary of bytes, without merges."""
    letters = sorted(ByteLevel.alphabet())
    names = [*letters, *[f"{letter}</w>" for letter in letters], "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({name: place for place, name in enumerate(names)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(str(folder), model_max_length=77)


def t5_tokenizer() -> T5Tokenizer:
    letters = [chr(code) for code in range(33, 127)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *[(letter, -3.0) for letter in letters]]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)


def gemma_tokenizer() -> GemmaTokenizer:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *[f"<0x{code:02X}>" for code in range(256)]]
    names = [*special, "▁", *[chr(code) for code in range(33, 127)]]
    return GemmaTokenizer(vocab={name: place for place, name in enumerate(names)}, model_max_length=512)


def clip(width: int = 32, pooled: bool = False, **changes: Any) -> Any:
    kind = CLIPTextModelWithProjection if pooled else CLIPTextModel
    config: dict[str, Any] = {
        "vocab_size": 514,
        "hidden_size": width,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "projection_dim": width,
        "bos_token_id": 512,
        "eos_token_id": 513,
        "pad_token_id": 513,
    }
    return kind(CLIPTextConfig(**config | changes)).eval()


def t5(width: int = 32) -> T5EncoderModel:
    config = T5Config(vocab_size=98, d_model=width, d_kv=8, d_ff=37, num_layers=1, num_heads=2, dropout_rate=0.0)
    return T5EncoderModel(config).eval()


def vae(channels: int = 4, **changes: Any) -> AutoencoderKL:
    blocks = 4
    return AutoencoderKL(
        block_out_channels=(8,) * blocks,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        latent_channels=channels,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=64,
        **{"scaling_factor": 0.18215} | changes,
    ).eval()


def unet(**changes: Any) -> UNet2DConditionModel:
    config: dict[str, Any] = {
        "sample_size": 8,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 32,
        "attention_head_dim": 4,
    }
    return UNet2DConditionModel(**config | changes).eval()


def stable_diffusion(folder: Path, scheduler: Any) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=vae(),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(folder / "bytes"),
        unet=unet(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sd1(folder: Path) -> StableDiffusionPipeline:
    return stable_diffusion(folder, DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1, **STABLE))


def sd1_pndm(folder: Path) -> StableDiffusionPipeline:
    pndm = PNDMScheduler(skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1, **STABLE)
    return stable_diffusion(folder, pndm)


def sd2(folder: Path) -> StableDiffusionPipeline:
    dpm = DPMSolverMultistepScheduler(prediction_type="v_prediction", steps_offset=1, **STABLE)
    return stable_diffusion(folder, dpm)


def sdxl(folder: Path) -> StableDiffusionXLPipeline:
    network = unet(
        cross_attention_dim=64,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 32,
        transformer_layers_per_block=(1, 2),
        use_linear_projection=True,
    )
    return StableDiffusionXLPipeline(
        vae=vae(scaling_factor=0.13025),
        text_encoder=clip(),
        text_encoder_2=clip(pooled=True),
        tokenizer=clip_tokenizer(folder / "bytes"),
        tokenizer_2=clip_tokenizer(folder / "bytes 2"),
        unet=network,
        scheduler=EulerDiscreteScheduler(timestep_spacing="leading", steps_offset=1, **STABLE),
        add_watermarker=False,
    )


def dit(folder: Path) -> DiTPipeline:
    network = DiTTransformer2DModel(
        sample_size=8,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        in_channels=4,
        out_channels=8,
        attention_bias=True,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_zero",
        norm_elementwise_affine=False,
    ).eval()
    return DiTPipeline(transformer=network, vae=vae(), scheduler=DDIMScheduler(clip_sample=False))


def pixart_network(**changes: Any) -> PixArtTransformer2DModel:
    return PixArtTransformer2DModel(
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        caption_channels=32,
        in_channels=4,
        cross_attention_dim=24,
        out_channels=8,
        **changes,
    ).eval()


def pixart_alpha(folder: Path) -> PixArtAlphaPipeline:
    return PixArtAlphaPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        vae=vae(),
        transformer=pixart_network(sample_size=128),
        scheduler=DPMSolverMultistepScheduler(),
    )


def pixart_sigma(folder: Path) -> PixArtSigmaPipeline:
    return PixArtSigmaPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        vae=vae(scaling_factor=0.13025),
        transformer=pixart_network(sample_size=8, use_additional_conditions=False),
        scheduler=DPMSolverMultistepScheduler(),
    )


def stable_diffusion_3(folder: Path, third: bool, **shift: Any) -> StableDiffusion3Pipeline:
    network = SD3Transformer2DModel(
        sample_size=8,
        patch_size=1,
        in_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=64,
        pooled_projection_dim=64,
        out_channels=4,
        pos_embed_max_size=24,
    ).eval()
    return StableDiffusion3Pipeline(
        transformer=network,
        scheduler=FlowMatchEulerDiscreteScheduler(**shift),
        vae=vae(scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip(pooled=True),
        tokenizer=clip_tokenizer(folder / "bytes"),
        text_encoder_2=clip(pooled=True),
        tokenizer_2=clip_tokenizer(folder / "bytes 2"),
        text_encoder_3=t5(64) if third else None,
        tokenizer_3=t5_tokenizer() if third else None,
    )


def sd3(folder: Path) -> StableDiffusion3Pipeline:
    return stable_diffusion_3(folder, third=True, shift=3.0)


def sd3_without_t5(folder: Path) -> StableDiffusion3Pipeline:
    return stable_diffusion_3(folder, third=False, use_dynamic_shifting=True, max_image_seq_len=1024)


def flux(folder: Path, guidance: bool = True) -> FluxPipeline:
    network = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=guidance,
    ).eval()
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0 if guidance else 1.0, use_dynamic_shifting=guidance),
        vae=vae(scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(folder / "bytes"),
        text_encoder_2=t5(),
        tokenizer_2=t5_tokenizer(),
        transformer=network,
    )


def flux_schnell(folder: Path) -> FluxPipeline:
    return flux(folder, guidance=False)


def sana(folder: Path) -> SanaPipeline:
    both = {
        "block_types": ("ResBlock", "EfficientViTBlock"),
        "block_out_channels": (8, 8),
        "qkv_multiscales": ((), (5,)),
        "layers_per_block": (1, 1),
    }
    network = SanaTransformer2DModel(
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=4,
        num_cross_attention_heads=2,
        cross_attention_head_dim=4,
        cross_attention_dim=8,
        caption_channels=8,
        sample_size=32,
    ).eval()
    autoencoder = AutoencoderDC(
        latent_channels=4,
        attention_head_dim=2,
        **{f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in both.items()},
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        scaling_factor=0.41407,
    ).eval()
    text = Gemma2Config(
        vocab_size=400,
        hidden_size=8,
        head_dim=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    return SanaPipeline(
        tokenizer=gemma_tokenizer(),
        text_encoder=Gemma2Model(text).eval(),
        vae=autoencoder,
        transformer=network,
        scheduler=DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0, beta_schedule="linear"
        ),
    )


MAKERS: dict[str, Callable[[Path], Any]] = {
    "sd1": sd1,
    "sd1_pndm": sd1_pndm,
    "sd2": sd2,
    "sdxl": sdxl,
    "dit": dit,
    "pixart_alpha": pixart_alpha,
    "pixart_sigma": pixart_sigma,
    "sd3": sd3,
    "sd3_without_t5": sd3_without_t5,
    "flux": flux,
    "flux_schnell": flux_schnell,
    "sana": sana,
}


def write(name: str, folder: Path, scratch: Path) -> Path:
    """Save a pipeline; its weights are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        pipe = MAKERS[name](scratch)
    pipe.save_pretrained(str(folder))
    if name == "dit":
        index = folder / "model_index.json"
        index.write_text(json.dumps(json.loads(index.read_text()) | {"id2label": CLASSES}))
    return folder


def reopen(folder: Path) -> Any:
    """The pipeline as diffusers itself reads it."""
    from diffusers import DiffusionPipeline

    index = json.loads((folder / "model_index.json").read_text())
    third = ("text_encoder_3", "tokenizer_3") if index["_class_name"] == "StableDiffusion3Pipeline" else ()
    left_out = {name: None for name in third if name not in index or index[name] == [None, None]}
    pipe = DiffusionPipeline.from_pretrained(str(folder), local_files_only=True, use_safetensors=True, **left_out)
    pipe.set_progress_bar_config(disable=True)
    return pipe
