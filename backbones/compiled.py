"""Compile the blocks that a network repeats, for the shapes it meets and for no others.

One block is compiled and serves all of its kind, so this takes seconds where a whole network takes minutes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

SHAPES = 256
"""Compiled versions that one block may have: sizes of images times batches times kinds of block."""


_kernels: list[str] = []
"""The attention kernel that this process has compiled with."""


def compile_blocks(blocks: Iterable[nn.Module], attention: str = "auto") -> None:
    """Compile modules in place, each for fixed shapes and in one piece; a first call of every shape then compiles.

    Nothing is measured while compiling (no autotuning), so that two processes get the same kernels. More shapes than
    SHAPES are an error, not a silent return to uncompiled code, whose last bits differ.

    Args:
        blocks: the modules.
        attention: the kernel that they will be called with. Compiled code keeps the one it was made with, and PyTorch
            does not look; so code with another one is dropped here.
    """
    allow_shapes()
    if _kernels and _kernels != [attention]:
        torch._dynamo.reset()
    _kernels[:] = [attention]
    for block in blocks:
        block.compile(dynamic=False, fullgraph=True, options=_options())


def restore_blocks(blocks: Iterable[nn.Module]) -> None:
    """Undo `compile_blocks`."""
    for block in blocks:
        block._compiled_call_impl = None


def repeated(network: nn.Module, kinds: Iterable[str] = ()) -> list[nn.Module]:
    """The blocks of a network: modules of these class names, or without names the entries of its lists of modules.

    Of blocks in blocks, the outer ones; of lists, those whose entries have parts.
    """
    names = set(kinds)
    if names:
        return [module for module in network.modules() if type(module).__name__ in names]
    lists = [module for module in network.children() if isinstance(module, nn.ModuleList)]
    return [entry for entries in lists for entry in entries if any(True for _ in entry.children())]


def allow_shapes() -> None:
    """Let a block be compiled for as many shapes as there are, where PyTorch would go on uncompiled after a few."""
    config: Any = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, SHAPES)
    config.accumulated_recompile_limit = max(config.accumulated_recompile_limit, 8 * SHAPES)


def _options() -> dict[str, Any]:
    from torch._inductor import config

    return {"deterministic": True} if hasattr(config, "deterministic") else {}
