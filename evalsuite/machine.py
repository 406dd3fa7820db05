"""This machine: which device to use, how many cores there really are, and what identifies it."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from evalsuite.errors import InputError
from evalsuite.plan import Machine

LIBRARIES = ("evalsuite", "torch", "torchvision", "torchmetrics", "open-clip-torch", "numpy", "pillow", "pandas")
AMPERE = 8
"""The first major compute capability that has bf16."""
CPUS = Path("/sys/devices/system/cpu")
QUOTA = Path("/sys/fs/cgroup/cpu.max")


def best_device() -> str:
    """``cuda`` when there is a usable GPU, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def has_bf16(device: str) -> bool:
    """Whether a GPU computes in bf16; False of any other device."""
    return device.startswith("cuda") and torch.cuda.get_device_capability(device)[0] >= AMPERE


def check_device(device: str) -> None:
    """Raise InputError unless the device, ``cpu`` or ``cuda`` or ``cuda:N``, is here."""
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return
    if not torch.cuda.is_available():
        raise InputError(f"device {device}: no CUDA device is usable here; use --device cpu")
    if int(index or 0) >= torch.cuda.device_count():
        raise InputError(f"device {device}: there are {torch.cuda.device_count()}, counted from cuda:0")


def use_gpu(local: int) -> None:
    """Make ``cuda`` mean a GPU of this process's own, where there is one; of as many as there are, in turn.

    Args:
        local: place of this process among those of this machine, from 0.
    """
    if torch.cuda.is_available():
        torch.cuda.set_device(local % torch.cuda.device_count())


def describe(device: str) -> Machine:
    """What of this machine can change the last bits of an image made on the device."""
    return Machine(device_class=_device_class(device), torch=torch.__version__)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that are installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """Physical cores that this process may use, at least 1; a container's CPU quota counts."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    physical = len({_siblings(cpu) for cpu in allowed})
    return max(1, min(physical, _quota() or physical))


def _device_class(device: str) -> str:
    if device.startswith("cuda"):
        return f"cuda {torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"
    return f"cpu {platform.machine()} {torch.backends.cpu.get_cpu_capability()} {_processor()}".strip()


def _processor() -> str:
    """Vendor, family and model: kernels are chosen by them. Empty where the system does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    found = [re.search(rf"^{name}\s*:\s*(.+)$", text, re.MULTILINE) for name in ("vendor_id", "cpu family", "model")]
    return " ".join(match[1].strip() for match in found if match)


def _siblings(cpu: int) -> str:
    """Hardware threads of one core share this text."""
    try:
        return (CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text(encoding="ascii")
    except OSError:
        return str(cpu)


def _quota() -> int | None:
    try:
        limit, period = QUOTA.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(1, int(limit) // int(period))
