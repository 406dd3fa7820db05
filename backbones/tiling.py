"""Large latents decoded tile by tile: the activations of one tile at a time, however large the image.

A tile sees nothing outside itself. Neighbours therefore overlap; of the overlap, the thirds next to the tiles' edges,
where padding has been taken for picture, are thrown away, and the third between is a linear blend.

Letters: B batch, C latent channels, h x w latent sides, H x W image sides, f pixels per latent side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from backbones.group_statistics import Part, pinned

Decode = Callable[[Tensor], Tensor]
OVERLAP = 0.25
"""Least share of a tile's side that its neighbour sees too (as in diffusers' AutoencoderKL)."""


class Place(NamedTuple):
    """A tile along one axis, in latents: from `start`, blended in over [fade, full), alone from `full`."""

    start: int
    fade: int
    full: int


def places(size: int, tile: int, overlap: int) -> tuple[Place, ...]:
    """Spread as few tiles as will do evenly over an axis, all of one length.

    Args:
        size: of the axis, in latents.
        tile: length of a tile; not more than `size`.
        overlap: least that neighbours share; not more than half of `tile`.
    """
    gaps = -(-(size - tile) // (tile - overlap))
    starts = [round(index * (size - tile) / max(gaps, 1)) for index in range(gaps + 1)]
    found, blend = [Place(0, 0, 0)], overlap // 3
    for before, start in pairwise(starts):
        fade = start + (before + tile - start - blend) // 2
        found.append(Place(start, fade, fade + blend))
    return tuple(found)


def decode_tiled(
    decode: Decode, latents: Tensor, tile: int, overlap: float = OVERLAP, norms: nn.Module | None = None
) -> Tensor:
    """The whole image (B, 3, f h, f w) of `strips`, which see for arguments and errors."""
    image, top, height = torch.empty(0), 0, latents.shape[-2]
    for strip in strips(decode, latents, tile, overlap, norms):
        if not top:
            factor = strip.shape[-1] // latents.shape[-1]
            if strip.shape[-2] == height * factor:
                return strip
            image = strip.new_empty(*strip.shape[:-2], height * factor, strip.shape[-1])
        image[..., top : top + strip.shape[-2], :] = strip
        top += strip.shape[-2]
    return image


def strips(
    decode: Decode, latents: Tensor, tile: int, overlap: float = OVERLAP, norms: nn.Module | None = None
) -> Iterator[Tensor]:
    """Decode latents in overlapping tiles, linearly blended; exactly `decode(latents)` where one tile holds them all.

    There is never more in memory than one tile's decoding and one row of tiles. What a decoder computes over the whole
    picture, it computes over each tile: attention always, GroupNorm unless `norms` is given. Then it is measured over
    the picture first, one layer a pass, and the image is the undivided one to rounding and to what reaches past a third
    of a tile's overlap.

    Args:
        decode: (B, C, h, w) to (B, 3, f h, f w), for any h and w up to `tile`; f is a whole number, the same each time.
        latents: (B, C, h, w).
        tile: largest side of a tile, in latents, at least 4.
        overlap: share of a tile's side that its neighbour sees too, in [0, 0.5].
        norms: the module that `decode` runs, for its GroupNorm layers to see the whole picture; costs about half a
            decoding for each of them.

    Yields:
        Strips of the image (B, 3, rows, f w) from top to bottom, in the dtype of what `decode` returns. The next one
        overwrites the last one.

    Raises:
        ValueError: a tile or an overlap out of range, or a decoder whose sides are no multiples of the latents'.
    """
    if tile < 4 or not 0 <= overlap <= 0.5:
        raise ValueError(f"tile {tile}, overlap {overlap}: at least 4 latents, and from 0 to 0.5")
    height, width = latents.shape[-2:]
    if height <= tile and width <= tile:
        yield decode(latents)
        return
    tall, wide = min(tile, height), min(tile, width)
    rows, columns = places(height, tall, int(tall * overlap)), places(width, wide, int(wide * overlap))
    with ExitStack() as stack:
        if norms is not None:
            parts = _parts(latents, (tall, wide), rows, columns)
            stack.enter_context(pinned(norms, decode, parts))
        yield from _blended(_rows(decode, latents, (tall, wide), rows, columns), rows, tall)


def _parts(
    latents: Tensor, sides: tuple[int, int], rows: Sequence[Place], columns: Sequence[Place]
) -> Callable[[], Iterator[Part]]:
    """Every tile, with the middle of it that no other tile has too: these middles make up the whole picture."""
    (tall, wide), (height, width) = sides, latents.shape[-2:]

    def parts() -> Iterator[Part]:
        for y, top, bottom in _middles(rows, height):
            for x, left, right in _middles(columns, width):
                tile = latents[..., y : y + tall, x : x + wide]
                yield Part(tile, slice(top - y, bottom - y), slice(left - x, right - x))

    return parts


def _middles(axis: Sequence[Place], size: int) -> Iterator[tuple[int, int, int]]:
    """Of every tile along an axis its start, and where its own part begins and ends."""
    cuts = [*((place.fade + place.full) // 2 for place in axis), size]
    for place, (begin, end) in zip(axis, pairwise(cuts), strict=True):
        yield place.start, begin, end


def _rows(
    decode: Decode, latents: Tensor, sides: tuple[int, int], rows: Sequence[Place], columns: Sequence[Place]
) -> Iterator[tuple[int, Tensor]]:
    """Rows of tiles, blended sideways, one after another in the same memory: f and (B, 3, f tall, f w)."""
    tall, wide = sides
    row, factor = torch.empty(0), 0
    for y in rows:
        for x in columns:
            tile = decode(latents[..., y.start : y.start + tall, x.start : x.start + wide])
            if not factor:
                factor = _factor(tile, sides)
                row = tile.new_empty(*tile.shape[:-1], latents.shape[-1] * factor)  # (B, 3, f tall, f w)
            start, fade, full = (at * factor for at in x)
            mixed = _mixed(row[..., fade:full].mT, tile[..., fade - start : full - start].mT)
            row[..., fade:full] = mixed.mT
            row[..., full : start + wide * factor] = tile[..., full - start :]
        yield factor, row


def _blended(found: Iterator[tuple[int, Tensor]], rows: Sequence[Place], tall: int) -> Iterator[Tensor]:
    """Strips of the image: each row of tiles from where it fades in to where the next one does."""
    above = torch.empty(0)
    for index, (y, (factor, row)) in enumerate(zip(rows, found, strict=True)):
        row = row[..., (y.fade - y.start) * factor :, :]
        if index:
            fading = row[..., : (y.full - y.fade) * factor, :]
            fading.copy_(_mixed(above, fading))
        below = rows[index + 1] if index + 1 < len(rows) else Place(0, y.start + tall, y.start + tall)
        end, again = (below.fade - y.fade) * factor, (below.full - y.fade) * factor
        above = row[..., end:again, :].clone()  # the next row comes to the same memory
        yield row[..., :end, :]


def _mixed(before: Tensor, after: Tensor) -> Tensor:
    """From one to the other, linearly along the rows of both (..., rows, columns); exact where they are equal."""
    rows = before.shape[-2]
    steps = torch.arange(rows, dtype=before.dtype, device=before.device)
    return before.lerp(after, ((steps + 0.5) / max(rows, 1)).unsqueeze(-1))


def _factor(tile: Tensor, sides: tuple[int, int]) -> int:
    factor = tile.shape[-2] // sides[0]
    if not factor or tile.shape[-2:] != (sides[0] * factor, sides[1] * factor):
        found = "x".join(map(str, tile.shape[-2:]))
        raise ValueError(f"latents {sides[0]}x{sides[1]} decode to {found}: no common multiple of their sides")
    return factor
