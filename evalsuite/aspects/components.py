"""Connected parts of a mask, by runs of its rows and union-find: no more than numpy is needed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Mask = np.ndarray[Any, np.dtype[np.bool_]]


class Box(NamedTuple):
    """A rectangle of pixels; right and bottom are the first ones outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def side(self) -> int:
        """The longer side."""
        return max(self.right - self.left, self.bottom - self.top)

    def joined(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def gap(self, other: Box) -> float:
        """Pixels between the two, 0 where they touch or overlap."""
        across = max(self.left - other.right, other.left - self.right, 0)
        down = max(self.top - other.bottom, other.top - self.bottom, 0)
        return float(np.hypot(across, down))


class Component(NamedTuple):
    """Pixels that touch, corners included."""

    area: int
    box: Box


def components(mask: Mask) -> list[Component]:
    """The connected parts (8 neighbours) of a mask (H, W), in the order of their first pixels."""
    height, width = mask.shape
    edges = np.zeros((height, width + 2), np.int8)
    edges[:, 1:-1] = mask
    steps = np.diff(edges, axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    roots = np.array(_roots(rows, starts.tolist(), ends.tolist(), height), np.intp)
    found = []
    for root in np.unique(roots):
        own = roots == root
        box = Box(int(starts[own].min()), int(rows[own].min()), int(ends[own].max()), int(rows[own].max()) + 1)
        found.append(Component(int((ends[own] - starts[own]).sum()), box))
    return found


def eroded(mask: Mask) -> Mask:
    """A mask (H, W) without the pixels that have one of their four neighbours outside it; beyond the picture is in."""
    found = mask.copy()
    found[1:] &= mask[:-1]
    found[:-1] &= mask[1:]
    found[:, 1:] &= mask[:, :-1]
    found[:, :-1] &= mask[:, 1:]
    return found


def _roots(rows: np.ndarray[Any, Any], starts: list[int], ends: list[int], height: int) -> list[int]:
    """The first run of the part that each run belongs to; runs are sorted by row, then column."""
    parent = list(range(len(starts)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    first = np.searchsorted(rows, np.arange(height + 1)).tolist()
    for row in range(1, height):
        above, below = first[row - 1], first[row]
        while above < first[row] and below < first[row + 1]:
            if starts[above] <= ends[below] and starts[below] <= ends[above]:
                one, other = sorted((root(above), root(below)))
                parent[other] = one
            if ends[above] < ends[below]:
                above += 1
            else:
                below += 1
    return [root(run) for run in range(len(starts))]
