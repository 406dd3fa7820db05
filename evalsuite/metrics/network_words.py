"""What a network that looks at images is, and how images are brought to its size, for a sentence."""

from __future__ import annotations

from evalsuite.scorers import FP32, ScorerName

BUNDLED = (
    "the bundled scorer, trained on captioned emoji scenes; it sees their names, colours, numbers and layout, "
    "and says little about other pictures"
)

RULES = {
    "hf": "the shortest side scaled to the network's, the centre cut out (PIL bicubic)",
    "ip2p": "squeezed to the network's square (bicubic, not antialiased)",
    "letterbox": "the longest side scaled to the network's, the rest grey (bicubic, antialiased)",
    "tf1": "bilinear as in TensorFlow 1, not antialiased",
    "antialias": "bilinear, antialiased, as torchmetrics does by default",
    "clean": "bicubic in float by PIL, as clean-fid does",
    "pytorch-fid": "bilinear, not antialiased, to [-1, 1], as pytorch-fid does",
    "noaa": "bicubic, not antialiased, as torchvision before 0.17",
    "hpsv2": "by the package hpsv2 itself",
}
"""How images are brought to a network's size, by rule."""


def network_words(scorer: ScorerName) -> str:
    """What looks at the images, for a sentence."""
    if scorer.kind == "scenes":
        return BUNDLED
    name = {
        "hps": f"the network of HPS {scorer.network} (open_clip ViT-H-14), images letterboxed as hpsv2 does",
        "clip": f"CLIP {scorer.network}",
        "inception": "Inception-v3 of the TensorFlow FID",
        "dinov2": "DINOv2 ViT-L/14, images resized by PIL bicubic",
    }[scorer.kind]
    name += "" if scorer.precision == FP32 else f", computed in {scorer.precision}"
    return f"{name}; images resized: {RULES[scorer.rule]}" if scorer.rule else name
