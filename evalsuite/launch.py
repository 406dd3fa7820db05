"""One process for each GPU of this machine, started by torchrun in place of this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from evalsuite.errors import InputError
from evalsuite.share import share_of

OPTION, VARIABLE = "--gpus", "EVALSUITE_GPUS"
RESTARTS = 1
"""Of all processes, after one has died or stopped with an error: torchrun cannot tell. What is made stays."""


def on_gpus(count: int, arguments: Sequence[str]) -> NoReturn:
    """Become torchrun over as many processes as there are GPUs to use; does not return.

    Args:
        count: of GPUs.
        arguments: of this command line.

    Raises:
        InputError: there are fewer, or a launcher has started this process already.
    """
    import torch

    if "RANK" in os.environ or not share_of(os.environ).alone:
        raise InputError(f"{OPTION} {count}: a launcher has started this process already: drop {OPTION}")
    found = torch.cuda.device_count()
    if not 1 <= count <= found:
        raise InputError(f"{OPTION} {count}: this machine has {found} usable GPUs; use 1 to {found} or drop {OPTION}")
    command = torchrun(count, arguments)
    sys.stdout.flush()
    os.execve(command[0], command, {key: value for key, value in os.environ.items() if key != VARIABLE})


def torchrun(processes: int, arguments: Sequence[str], restarts: int = RESTARTS) -> list[str]:
    """The command that starts evalsuite in several processes on this machine."""
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [*words, "--max-restarts", str(restarts), "-m", "evalsuite", *_without(arguments)]


def _without(arguments: Sequence[str]) -> list[str]:
    """The arguments, but for the option that led here."""
    kept, skip = [], False
    for word in arguments:
        if not skip and word != OPTION and not word.startswith(f"{OPTION}="):
            kept.append(word)
        skip = word == OPTION
    return kept
