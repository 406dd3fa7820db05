"""Words to vectors: a word-level tokenizer and a small transformer over a fixed number of words.

Letters: B batch, L words (fixed), D width.
The text length is fixed and nothing is masked, so that every attention kernel stays available; padding is
a learned word like any other, and the null prompt is a row of padding.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from backbones.attention import Attention
from backbones.layers import RMSNorm, SwiGLU

PAD, UNKNOWN = 0, 1  # ids before the vocabulary's first word
RESERVED = 2
_WORD = re.compile(r"[^\W_]+")


def split_words(text: str) -> list[str]:
    """Return the words of a text: NFKC, lower case, runs of letters and digits."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


class Tokenizer:
    """Word ids of a fixed length: 0 pads, 1 stands for every unknown word, 2 is the vocabulary's first word.

    Args:
        vocabulary: distinct words as `split_words` gives them.
        length: L; words past it are dropped.

    Raises:
        ValueError: a word twice, or one that `split_words` would never produce.
    """

    def __init__(self, vocabulary: Sequence[str], length: int = 20):
        self.vocabulary, self.length = tuple(vocabulary), length
        self._ids = {word: index for index, word in enumerate(self.vocabulary, start=RESERVED)}
        if len(self._ids) != len(self.vocabulary):
            raise ValueError(f"vocabulary of {len(self.vocabulary)} has only {len(self._ids)} distinct words")
        strange = next((word for word in self.vocabulary if split_words(word) != [word]), None)
        if strange is not None:
            raise ValueError(f"vocabulary entry {strange!r} is not one lower-case word")

    def __len__(self) -> int:
        """Number of ids, the two reserved ones included."""
        return len(self.vocabulary) + RESERVED

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return ids (B, L), int64."""
        rows = torch.full((len(texts), self.length), PAD)
        for row, text in zip(rows, texts, strict=True):
            ids = [self._ids.get(word, UNKNOWN) for word in split_words(text)[: self.length]]
            row[: len(ids)] = torch.tensor(ids, dtype=torch.long)
        return rows

    def unseen(self, text: str) -> tuple[str, ...]:
        """Return, in order and once each, the words that reach no embedding of their own.

        They are outside the vocabulary, or stand past the fixed length.
        """
        words = split_words(text)
        lost = [word for word in words[: self.length] if word not in self._ids] + words[self.length :]
        return tuple(dict.fromkeys(lost))


class TextFeatures(NamedTuple):
    """What the encoder makes of B prompts."""

    tokens: Tensor  # (B, L, D)
    pooled: Tensor  # (B, D): mean over the real words; a learned vector for the null prompt
    mask: Tensor  # (B, L) bool: True at real words


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig:
    """Sizes of the text encoder; `ids` counts the vocabulary and the two reserved ids."""

    ids: int
    length: int = 20
    width: int = 256
    depth: int = 2
    heads: int = 4
    mlp_hidden: int = 512


class TextBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, config: TextConfig):
        super().__init__()
        self.norm1, self.norm2 = RMSNorm(config.width), RMSNorm(config.width)
        self.attention = Attention(config.width, config.heads)
        self.mlp = SwiGLU(config.width, config.mlp_hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, L, D) to the same shape."""
        x = x + self.attention(self.norm1(x))  # (B, L, D)
        y: Tensor = x + self.mlp(self.norm2(x))  # (B, L, D)
        return y


class TextEncoder(nn.Module):
    """Word embedding, learned positions, a few transformer blocks."""

    def __init__(self, config: TextConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.ids, config.width)
        self.position = nn.Parameter(torch.empty(config.length, config.width))
        self.null_pooled = nn.Parameter(torch.empty(config.width))
        self.blocks = nn.ModuleList(TextBlock(config) for _ in range(config.depth))
        self.norm = RMSNorm(config.width)
        for weight in (self.embedding.weight, self.position, self.null_pooled):
            nn.init.normal_(weight, std=0.02)

    def forward(self, ids: Tensor) -> TextFeatures:
        """Encode ids (B, L), int64; a row of zeros is the null prompt."""
        if ids.shape[1] != self.config.length:
            raise ValueError(f"{ids.shape[1]} words a text; this encoder was built for {self.config.length}")
        x = self.embedding(ids) + self.position  # (B, L, D)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)  # (B, L, D)
        mask = ids != PAD  # (B, L)
        count = mask.sum(dim=1, keepdim=True)  # (B, 1)
        mean = (x * mask.unsqueeze(-1)).sum(dim=1) / count.clamp(min=1)  # (B, D)
        pooled = torch.where(count > 0, mean, self.null_pooled.to(mean.dtype))  # (B, D)
        return TextFeatures(x, pooled, mask)
