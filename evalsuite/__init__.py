"""One command turns a diffusion backbone into a reviewed scorecard.

``import evalsuite`` is light; what it names is loaded on use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalsuite.errors import Incomplete, InputError
    from evalsuite.pipeline import generate_images, run, score_folder
    from evalsuite.rows import Row
    from evalsuite.samples import Sample
    from evalsuite.spec import RunSpec

__all__ = [
    "Incomplete",
    "InputError",
    "Row",
    "RunSpec",
    "Sample",
    "__version__",
    "generate_images",
    "run",
    "score_folder",
]

__version__ = "0.1.0"

_HOMES = {
    "Incomplete": "errors",
    "InputError": "errors",
    "Row": "rows",
    "RunSpec": "spec",
    "Sample": "samples",
    "generate_images": "pipeline",
    "run": "pipeline",
    "score_folder": "pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"evalsuite.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
