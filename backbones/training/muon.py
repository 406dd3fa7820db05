"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): momentum, orthogonalised, for weight matrices.

torch.optim.Muon takes matrices only; this one also takes convolutions, as (out, in * height * width) matrices, so that
the U-Net and the DiT train under the same rule, and it turns all matrices of a shape at once: on a GPU one at a time
costs as much as the network's own step. Everything that is not a weight matrix goes to AdamW.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import overload

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # quintic coefficients of the reference


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Push the singular values of matrices (..., m, n) towards 1 by a quintic Newton-Schulz iteration in bfloat16."""
    a, b, c = NEWTON_SCHULZ
    wide = matrices.bfloat16()
    if tall := matrices.shape[-2] > matrices.shape[-1]:
        wide = wide.mT
    wide = wide / (wide.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = wide @ wide.mT
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    restored: Tensor = wide.mT if tall else wide
    return restored.type_as(matrices)


class Muon(Optimizer):
    """Nesterov momentum, orthogonalised; scaled to the RMS of AdamW's updates (arXiv:2502.16982)."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.01) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every parameter that has a gradient."""
        loss = closure() if closure else None
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[weight.shape].append(weight)
            for weights in alike.values():
                self._update(weights, group["lr"], group["momentum"], group["weight_decay"])
        return loss

    def _update(self, weights: list[Tensor], lr: float, momentum: float, decay: float) -> None:
        """Move weights of one shape."""
        gradients = [gradient for weight in weights if (gradient := weight.grad) is not None]
        buffers = [self.state[w].setdefault("momentum", torch.zeros_like(w)) for w in weights]
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        directions = torch.stack(torch._foreach_lerp(gradients, buffers, momentum)).flatten(2)  # (n, out, in * ...)
        scale = 0.2 * max(directions.shape[1:]) ** 0.5
        turned = [matrix.view_as(weights[0]) for matrix in orthogonalise(directions)]
        torch._foreach_mul_(weights, 1 - lr * decay)
        torch._foreach_add_(weights, turned, alpha=-lr * scale)


def optimisers(module: nn.Module, lr: float) -> tuple[Optimizer, Optimizer]:
    """Muon for the hidden weight matrices, AdamW for embeddings, gains, biases and the first and last layers."""
    embeddings = {id(p) for m in module.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    hidden: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for parameter in module.parameters():
        matrix = parameter.ndim >= 2 and min(parameter.shape[0], parameter[0].numel()) >= 32
        (hidden if matrix and id(parameter) not in embeddings else rest).append(parameter)
    return Muon(hidden, lr), AdamW(rest, lr, betas=(0.9, 0.95), weight_decay=0.0)
