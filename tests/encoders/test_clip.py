from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms import functional as tv

from evalsuite.encoders import clip
from evalsuite.encoders.clip import CLIPEncoder, load
from evalsuite.encoders.clip_config import (
    CONFIG,
    PICKLED,
    WEIGHTS,
    ClipConfig,
    from_architecture,
    from_content,
    from_file,
    from_tag,
    weights_in,
)
from evalsuite.encoders.preprocess import MEAN, STD, letterbox
from evalsuite.errors import InputError
from evalsuite.metrics.clip_direction import directional_similarity

MODEL: dict[str, Any] = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
OWN = {
    "size": 64,
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.3, 0.4],
    "interpolation": "bilinear",
    "resize_mode": "squash",
}
CLIPS = {"mean": list(MEAN), "std": list(STD)}
SIZES = [(64, 64), (512, 512), (513, 301), (333, 777), (97, 131), (31, 40), (66, 64), (67, 64)]


def noise(height: int, width: int, n: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * 10_000 + width)
    return torch.randint(0, 256, (n, 3, height, width), dtype=torch.uint8, generator=generator)


def picture(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def config(preprocess: Mapping[str, Any] = CLIPS) -> ClipConfig:
    return from_content({"model_cfg": MODEL, "preprocess_cfg": preprocess}, "mine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network in open_clip's layout."""
    path = tmp_path_factory.mktemp("clip")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(open_clip.CLIP(**copy.deepcopy(MODEL)).state_dict(), path / WEIGHTS)
    (path / CONFIG).write_text(json.dumps({"model_cfg": MODEL, "preprocess_cfg": OWN}))
    return path


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Callable[..., CLIPEncoder]:
    def make(rule: str = "hf", preprocess: Mapping[str, Any] = CLIPS, sha: str = "random:0") -> CLIPEncoder:
        content = {"model_cfg": MODEL, "preprocess_cfg": preprocess}
        return load(folder / WEIGHTS, sha, content, rule, f"mine-{rule}")

    return make


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_hf_is_transformers_clip_processor_on_pil(height: int, width: int):
    image = noise(height, width, n=2)
    short = min(height, width)
    rows, columns = int(64 * height / short), int(64 * width / short)
    expected = []
    for one in image:
        resized = picture(one).resize((columns, rows), Image.Resampling.BICUBIC)
        x = tv.to_tensor(resized)[:, (rows - 64) // 2 :, (columns - 64) // 2 :][:, :64, :64]
        expected.append(tv.normalize(x, MEAN, STD))
    assert torch.equal(clip.hf(image, config()), torch.stack(expected))


@pytest.mark.parametrize(("height", "width"), [size for size in SIZES if size != (67, 64)])
@pytest.mark.parametrize("preprocess", [CLIPS, OWN])
def test_hf_is_open_clips_transform_where_the_crop_is_not_rounded_up(
    height: int, width: int, preprocess: Mapping[str, Any]
):
    transform = image_transform_v2(PreprocessCfg(**{"size": 64} | dict(preprocess)), is_train=False)
    image = noise(height, width)
    assert torch.equal(clip.hf(image, config(preprocess))[0], transform(picture(image[0])))


def test_ip2p_is_the_squash_of_instruct_pix2pix():
    image = noise(300, 200, n=2)
    x = F.interpolate(image / 255, size=64, mode="bicubic", align_corners=False)
    expected = tv.normalize(x, MEAN, STD)
    assert torch.equal(clip.ip2p(image, config()), expected)
    assert torch.equal(clip.ip2p(image.to(memory_format=torch.channels_last), config()), expected)


def test_letterbox_is_ours_under_the_networks_own_colours():
    image = noise(300, 200, n=2)
    assert torch.equal(clip.letterbox(image, config()), letterbox(image, 64))
    bytes_seen = tv.normalize(
        clip.letterbox(image, config(OWN)),
        [-m / s for m, s in zip(OWN["mean"], OWN["std"], strict=True)],
        [1 / s for s in OWN["std"]],
    )
    assert bytes_seen[..., 0].sub(0.5).abs().max() < 1e-6
    expected = letterbox(image, 64) * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    torch.testing.assert_close(bytes_seen, expected, atol=1e-6, rtol=0)


def test_features_of_a_folder_equal_open_clip_with_its_own_preprocessing(folder: Path):
    theirs, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}", precision="fp32")
    theirs.eval()
    ours = load(weights_in(folder), "random:0", from_file(folder / CONFIG), "hf", "mine-hf")
    image, texts = noise(90, 70, n=3), ["a cat", "two dogs"]
    with torch.inference_mode():
        rows = theirs.encode_image(torch.stack([transform(picture(one)) for one in image]), normalize=True)
        words = theirs.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(texts), normalize=True)
    np.testing.assert_allclose(ours.images(image), rows.numpy(), atol=1e-6, rtol=0)
    np.testing.assert_allclose(ours.texts(texts), words.numpy(), atol=1e-6, rtol=0)


def test_directional_similarity_is_that_of_instruct_pix2pix(encoder: Callable[..., CLIPEncoder]):
    """Its formula, written again: pixels in [0, 1], features to unit length, cosine of the differences."""
    ours = encoder("ip2p")
    before, after = noise(80, 64, n=4), noise(80, 64, n=4).flip(0) // 2
    texts = [["a cat", "a dog", "a red car", "the sea"], ["a blue cat", "a wolf", "a green car", "the sea at night"]]
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)

    def look(images: torch.Tensor) -> torch.Tensor:
        x = (F.interpolate(images / 255, size=64, mode="bicubic", align_corners=False) - mean) / std
        found = ours.model.encode_image(x)
        return found / found.norm(dim=1, keepdim=True)

    def read(words: list[str]) -> torch.Tensor:
        found = ours.model.encode_text(open_clip.tokenize(words))
        return found / found.norm(dim=1, keepdim=True)

    with torch.inference_mode():
        expected = F.cosine_similarity(look(after) - look(before), read(texts[1]) - read(texts[0]))
    rows = [torch.from_numpy(rows) for rows in (ours.images(after), ours.images(before), *map(ours.texts, texts[::-1]))]
    np.testing.assert_allclose(directional_similarity(*rows), expected, atol=1e-6, rtol=0)
    assert expected.abs().min() > 1e-3


def test_features_do_not_depend_on_neighbours(encoder: Callable[..., CLIPEncoder]):
    batch = noise(96, 64, n=9)
    for rule in clip.RULES:
        ours = encoder(rule)
        together = ours.images(batch)
        np.testing.assert_array_equal(np.concatenate([ours.images(batch[i : i + 1]) for i in (0, 8)]), together[[0, 8]])
        np.testing.assert_array_equal(ours.images(batch.flip(0)), together[::-1])


def test_a_long_text_keeps_its_end_token(encoder: Callable[..., CLIPEncoder]):
    ours = encoder()
    fits, long = "cat " * 75, "cat " * 76
    assert (ours.truncated(fits), ours.truncated(long)) == (False, True)
    assert (ours.tokenizer([fits, long])[:, -1] == ours.tokenizer.eot_token_id).all()
    np.testing.assert_array_equal(ours.texts([long]), ours.texts([fits]))


def test_a_shorter_context_is_the_networks(folder: Path):
    short = {**MODEL, "text_cfg": MODEL["text_cfg"] | {"context_length": 8}}
    ours = load(folder / WEIGHTS, "x", {"model_cfg": short, "preprocess_cfg": CLIPS}, "hf", "short")
    assert (ours.truncated("cat " * 6), ours.truncated("cat " * 7)) == (False, True)
    with pytest.raises(InputError, match="not weights of short: positional_embedding is 77x32, expected 8x32"):
        ours.texts(["a"])


def test_fingerprints_tell_weights_rules_and_colours_apart(encoder: Callable[..., CLIPEncoder]):
    kinds = [encoder(rule) for rule in clip.RULES] + [encoder("hf", OWN), encoder("hf", sha="random:1")]
    kinds.append(encoder("hf", CLIPS | {"interpolation": "bilinear"}))
    assert len({one.fingerprint for one in kinds}) == len(kinds)
    assert encoder().fingerprint == kinds[0].fingerprint
    assert kinds[0].preprocessing == "hf: shortest edge cropped to 64 px PIL bicubic, fp32"
    assert kinds[3].preprocessing == "hf: squash 64 px PIL bilinear, mean 0.5 0.4 0.3 std 0.2 0.3 0.4, fp32"


def test_an_unknown_rule_and_other_pixels_are_refused(encoder: Callable[..., CLIPEncoder]):
    with pytest.raises(InputError, match="no rule 'crop' for CLIP's images: choose hf, ip2p, letterbox"):
        encoder("crop")
    with pytest.raises(ValueError, match="expected uint8"):
        encoder().images(torch.zeros(1, 3, 8, 8))


def test_openais_vit_l_14_is_known_by_its_architecture():
    ours = load(Path("none"), "x", "ViT-L-14-quickgelu", "hf", "vit-l-14-hf")
    assert (ours.width, ours.config.side, ours.config.model["quick_gelu"]) == (768, 224, True)
    assert (ours.config.mean, ours.config.std) == (MEAN, STD)
    assert ours.fingerprint == load(Path("none"), "x", "ViT-L-14:openai", "hf", "other").fingerprint


def test_every_tag_of_open_clip_has_a_place_and_a_preprocessing():
    for architecture, tag in open_clip.list_pretrained():
        found = from_tag(architecture, tag)
        theirs = open_clip.get_pretrained_cfg(architecture, tag)
        assert found.repo.count("/") == 1, found
        assert found.file in (WEIGHTS, "pytorch_model.bin")
        assert (found.config.mean, found.config.std) == (theirs["mean"], theirs["std"])
        assert (found.config.interpolation, found.config.resize_mode) == (
            theirs["interpolation"],
            theirs["resize_mode"],
        )
        assert bool(found.config.model.get("quick_gelu")) >= bool(theirs.get("quick_gelu"))
    assert from_tag("ViT-B-32", "laion2b_s34b_b79k").repo == "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    assert from_tag("ViT-L-14", "laion2b-s32b-b82k").config.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_tag("ViT-B-32", "laion2b_s34b_b79"), "no weights .* of ViT-B-32: known are .*laion2b_s34b_b79k"),
        (lambda: from_tag("ViT-B-33", "openai"), "no architecture 'ViT-B-33': did you mean ViT-B-32"),
        (lambda: from_tag("ViT-S-32-alt", "openai"), "it has none: name hf:owner/repo or a folder"),
        (lambda: from_architecture("ViT-L-14"), "ViT-L-14 alone does not say .* name the weights as ViT-L-14:TAG"),
        (lambda: from_architecture("ViT-S-32-alt"), "ViT-S-32-alt alone does not say how its images are prepared"),
        (lambda: from_content({"model_cfg": MODEL}, "c.json"), "c.json: no preprocess_cfg: .* run wrongly"),
        (lambda: from_content({"preprocess_cfg": CLIPS}, "c.json"), "c.json: no model_cfg"),
        (lambda: from_content({"model_cfg": {"a": 1}, "preprocess_cfg": CLIPS}, "c"), "c: not a model_cfg"),
        (lambda: config({"std": [1, 1, 1]}), "mine: preprocess_cfg has no mean of three numbers"),
        (lambda: config({"mean": [0, 0, float("nan")], "std": [1, 1, 1]}), "no mean of three numbers"),
        (lambda: config({"mean": [0, 0, 0], "std": [1, 0, 1]}), "cannot prepare them so"),
        (lambda: config(CLIPS | {"resize_mode": "longest"}), "images by bicubic, longest, .* cannot prepare them so"),
        (lambda: config(CLIPS | {"size": 224}), "preprocess_cfg has size 224, vision_cfg image_size 64"),
        (lambda: config(CLIPS | {"size": [64, 32]}), "only squares can be served"),
    ],
)
def test_what_would_have_to_be_guessed_is_refused(call: Callable[[], object], message: str):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_folders_files_are_looked_at_with_care(folder: Path, tmp_path: Path):
    with pytest.raises(InputError, match=rf"{CONFIG}: cannot be read \(No such file"):
        from_file(tmp_path / CONFIG)
    with pytest.raises(InputError, match=f"no {WEIGHTS}: put the weights beside"):
        weights_in(tmp_path)
    (tmp_path / CONFIG).write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        from_file(tmp_path / CONFIG)
    (tmp_path / CONFIG).write_text("[]")
    with pytest.raises(InputError, match="no model_cfg"):
        from_file(tmp_path / CONFIG)
    (tmp_path / CONFIG).write_bytes(b" " * (1 << 20) + b"{}")
    with pytest.raises(InputError, match="more than 1048576 bytes"):
        from_file(tmp_path / CONFIG)
    (tmp_path / PICKLED).write_bytes(b"")
    assert weights_in(tmp_path).name == PICKLED
    assert weights_in(folder).name == WEIGHTS


class HubTokenizer:
    """Stands for open_clip's wrapper of a tokenizer of transformers: a token for each letter."""

    made: tuple[tuple[Any, ...], dict[str, Any]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        type(self).made = args, kwargs
        self.context_length, self.tokenizer_mode, self.tokenizer = kwargs["context_length"], "", self

    def clean_fn(self, text: str) -> str:
        return text.strip()

    def get_vocab(self) -> dict[str, int]:
        return {chr(n): n for n in range(97, 123)}


class Letters(HubTokenizer):
    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": [*map(ord, text), *([1] if add_special_tokens else [])]}


def with_tokenizer(folder: Path | None = None, **text: Any) -> ClipConfig:
    model = {**MODEL, "text_cfg": MODEL["text_cfg"] | {"hf_tokenizer_name": "owner/letters"} | text}
    return from_content({"model_cfg": model, "preprocess_cfg": CLIPS}, "mine", folder)


def test_a_tokenizer_of_the_hub_is_never_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(clip, "HFTokenizer", Letters)
    closed = {"local_files_only": True, "trust_remote_code": False}
    ours = load(Path("none"), "x", with_tokenizer(tmp_path), "hf", "mine")
    assert (ours.truncated("a" * 76), ours.truncated("a" * 77)) == (False, True)
    assert Letters.made[0] == ("owner/letters",)
    assert closed.items() <= Letters.made[1].items()
    (tmp_path / "tokenizer.json").write_text("{}")
    load(Path("none"), "x", with_tokenizer(tmp_path), "hf", "mine")
    assert Letters.made[0] == (str(tmp_path),)
    assert ours.fingerprint != load(Path("none"), "x", config(), "hf", "mine").fingerprint


def test_a_tokenizer_that_is_not_here_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch):
    def missing(*args: Any, **kwargs: Any) -> None:
        raise OSError("We couldn't connect\nto the hub")

    monkeypatch.setattr(clip, "HFTokenizer", missing)
    with pytest.raises(
        InputError, match=r"its tokenizer owner/letters cannot be had \(We couldn't connect\): pip"
    ) as caught:
        load(Path("none"), "x", with_tokenizer(), "hf", "mine")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="reads no texts with"):
        load(Path("none"), "x", with_tokenizer(tokenizer_kwargs={"trust_remote_code": True}), "hf", "mine")
    with pytest.raises(InputError, match="reads no texts with"):
        load(
            Path("none"),
            "x",
            with_tokenizer(hf_tokenizer_name=None, tokenizer_kwargs={"reduction_mask": "random"}),
            "hf",
            "m",
        )
