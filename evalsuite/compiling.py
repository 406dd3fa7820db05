"""How a model's passes run: as they are or compiled, and on a GPU replayed as CUDA graphs.

Compiling changes last bits, so it is settled with the plan, from the plan alone: the same command goes on with the same
kernels. A replay runs the kernels of the pass itself and changes none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from backbones.compiled import compile_blocks, restore_blocks
from backbones.cuda_graph import Replayed
from evalsuite.errors import InputError
from evalsuite.plan import Unit
from evalsuite.spec import RunSpec

REPAID = 2000
"""Passes of a shape after which compiling for it has repaid itself on a GPU: some 20 s of compiling against some 10 ms
less a pass (DiT-XL/2 on one H100, `benchmarks/sampling.py`)."""
PLAIN, COMPILED, REPLAYED = "eager", "compiled", "cuda graph"
REASON = 200  # characters
MARK = "_execution"  # on a model: whether it is compiled, and what else a recording depends on


def settled(asked: str, device: str, units: Sequence[Unit], passes: int) -> str:
    """``on`` or ``off``; ``auto`` is on where a GPU has at least REPAID passes of every shape to make, in the mean.

    Args:
        asked: ``auto``, ``on`` or ``off``.
        device: of the run.
        units: of its plan.
        passes: of a unit.
    """
    if asked != "auto":
        return asked
    shapes = {(unit.model, unit.batch, unit.width, unit.height) for unit in units}
    repaid = device.startswith("cuda") and len(units) * passes >= REPAID * len(shapes)
    return "on" if repaid else "off"


class Execution:
    """Makes a model ready to run as a spec says, and tells how its passes ran.

    Args:
        model: a `backbones.protocol.TextToImage`, where it will run.
        spec: of the run; what it leaves open is off.
    """

    def __init__(self, model: Any, spec: RunSpec) -> None:
        self._name = model.name
        self._compiled = spec.compile == "on" and hasattr(model, "repeated")
        self._replayed: Replayed | None = None
        own: dict[str, Any] = getattr(model, "__dict__", {})  # one with slots alone takes no mark and no recording
        before = own.get(MARK)  # of a run that had the model before this one
        if self._compiled:
            compile_blocks(model.repeated(), spec.attention)
        elif before is not None and before[0]:
            restore_blocks(model.repeated(fused=False))
        mark = own[MARK] = (self._compiled, spec.attention, spec.dtype, spec.device)
        if (pure := getattr(model, "pure", None)) is not None:
            found = own.pop(pure, None)
            if spec.device.startswith("cuda") and spec.cuda_graphs != "off":
                kept = found if mark == before and not self._compiled else None
                self._replayed = own[pure] = kept or Replayed(getattr(model, pure))

    def ran(self, shape: tuple[int, ...]) -> str:
        """``eager``, ``compiled``, ``cuda graph`` or ``compiled, cuda graph``; and why not, where that was tried.

        Args:
            shape: of a unit's latents (B, C, h, w).
        """
        replayed = self._replayed is not None and self._replayed.ran(shape)
        words = [COMPILED] * self._compiled + [REPLAYED] * replayed
        refused = f" (no {REPLAYED}: {self.refusal[:REASON]})" if self.refusal else ""
        return (", ".join(words) or PLAIN) + refused

    @property
    def seen(self) -> dict[tuple[int, ...], tuple[str, ...]] | None:
        """For `evalsuite.attention.Kernels`: what it saw of passes that are replayed from now on."""
        return None if self._replayed is None else self._replayed.seen

    @property
    def refusal(self) -> str:
        """Why passes could not be recorded; empty where they could, or were not to be."""
        return "" if self._replayed is None else self._replayed.refusal

    def warning(self) -> str:
        """What the user should know of how passes run; said once for a model on its device, empty from then on."""
        if self._replayed is None or not self._replayed.refusal or self._replayed.told:
            return ""
        self._replayed.told = True
        return (
            f"passes of {self._name} cannot be replayed as CUDA graphs ({self.refusal[:REASON]}): they run as they are,"
            " with the same pixels"
        )

    @contextmanager
    def told(self) -> Iterator[None]:
        """Inside, a failure to compile is said in a line.

        Raises:
            InputError: PyTorch cannot compile the model here.
        """
        try:
            yield
        except RuntimeError as error:
            if not self._compiled or not _of_compiler(error):
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:REASON]
            raise InputError(
                f"compile on: PyTorch cannot compile model {self._name!r} here ({reason}): use --compile off"
            ) from error


def _of_compiler(error: Exception) -> bool:
    from torch._dynamo.exc import TorchDynamoException

    return isinstance(error, TorchDynamoException)
