"""Processors, memory and devices: which are here, and which dtypes really compute on them."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from evalsuite import machine
from evalsuite.doctor.checks import Check

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
NATIVE = {"bf16": ("avx512_bf16", "amx_bf16", "bf16"), "fp16": ("avx512_fp16", "amx_fp16", "fphp", "asimdhp")}
"""Flags of processors that compute in a dtype instead of going through fp32."""
LITTLE = 4e9
NVIDIA = Path("/proc/driver/nvidia/version")


def check_hardware() -> list[Check]:
    """Threads, memory, the CPU's dtypes, and every GPU."""
    return [check_threads(machine.cores(), torch.get_num_threads()), *check_memory(), check_cpu(), *check_gpus()]


def check_threads(cores: int, threads: int) -> Check:
    """Whether torch starts with more threads than there are cores for it."""
    words = f"{cores} cores may be used, torch starts with {threads} threads"
    if threads > cores:
        return Check("threads", "warn", f"{words}: they wait for each other", f"set OMP_NUM_THREADS={cores}")
    return Check("threads", "ok", f"{words}; runs take --threads, else the cores")


def check_memory() -> list[Check]:
    """Main memory, where the system tells."""
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return []
    if whole < LITTLE:
        return [
            Check("memory", "warn", f"{whole / 1e9:.1f} GB", "published scorers need about 8 GB: use a larger machine")
        ]
    return [Check("memory", "ok", f"{whole / 1e9:.0f} GB")]


def check_cpu() -> Check:
    """Dtypes of the CPU. fp16 is refused there in any case."""
    flags = _flags()
    kind = torch.backends.cpu.get_cpu_capability()
    faults = [name for name in ("fp32", "bf16") if not computes("cpu", DTYPES[name])]
    if faults:
        return Check(
            "cpu", "fail", f"{kind}: {', '.join(faults)} computes wrongly", "reinstall torch for this processor"
        )
    native = flags & set(NATIVE["bf16"])
    words = "bf16 in hardware" if native else "bf16 goes through fp32 and is slower"
    return Check("cpu", "ok", f"{kind}: fp32; {words}; fp16 is refused")


def check_gpus() -> list[Check]:
    """Every CUDA device, or why there is none."""
    if torch.cuda.is_available():
        return [_gpu(number) for number in range(torch.cuda.device_count())]
    if torch.version.cuda is None:
        words, remedy = "this torch is built for CPUs", "install torch for CUDA"
    else:
        words, remedy = f"torch for CUDA {torch.version.cuda} finds no usable GPU", "check the driver with nvidia-smi"
    if NVIDIA.is_file():
        return [Check("gpu", "warn", f"{words}, but there is an NVIDIA driver", remedy)]
    return [Check("gpu", "info", f"none: {words}; everything runs on the CPU")]


def computes(device: str, dtype: torch.dtype) -> bool:
    """Whether small whole numbers multiply exactly on a device in a dtype."""
    try:
        rows = torch.arange(64).reshape(8, 8).remainder(5)
        product = rows.to(device, dtype) @ rows.T.to(device, dtype)
        return bool((product.cpu().double() == (rows @ rows.T).double()).all())
    except RuntimeError:
        return False


def _gpu(number: int) -> Check:
    device = f"cuda:{number}"
    about = torch.cuda.get_device_properties(number)
    works = {name: computes(device, dtype) for name, dtype in DTYPES.items()}
    words = f"{about.name}, {about.total_memory / 1e9:.0f} GB, sm_{about.major}{about.minor}, CUDA {torch.version.cuda}"
    if not works["fp32"]:
        return Check(
            device, "fail", f"{words}: fp32 does not compute", "install torch for this GPU, or use --device cpu"
        )
    lacking = [name for name, good in works.items() if not good]
    good = ", ".join(name for name, good in works.items() if good)
    if lacking:
        return Check(device, "warn", f"{words}: {good}, not {', '.join(lacking)}", "leave these out of --dtype")
    return Check(device, "ok", f"{words}: {good}")


def _flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    found = (line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features")))
    return set(next(found, "").split())
