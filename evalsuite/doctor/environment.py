"""This machine as evalsuite needs it, without the network."""

from __future__ import annotations

from collections.abc import Sequence

from evalsuite.doctor.checks import Check, failed


def environment(given: Sequence[str] = ()) -> list[Check]:
    """Every check, in the order in which one needs the other: without torch there is nothing more to look at.

    Args:
        given: ``NAME=PATH`` pairs of weight files.
    """
    from evalsuite.doctor.packages import check_imports, check_packages

    checks = check_packages()
    if failed(check_imports(("torch", "torchvision", "open_clip"))):
        return [*checks, Check("the rest", "warn", "not looked at, as torch cannot be imported", "see above")]
    from evalsuite.doctor.bundled import check_bundled
    from evalsuite.doctor.hardware import check_hardware
    from evalsuite.doctor.storage import check_storage

    return [*checks, *check_hardware(), *check_storage(), *check_bundled(given)]
