"""``evalsuite compare``: two models or more, from their scores alone."""

from __future__ import annotations

from typing import Annotated

import typer

from evalsuite.options import SHOWN, As, Format, option

SOURCE_HELP = (
    "Run folders, files of `evalsuite baseline save`, or FOLDER:MODEL; one folder with several models is enough."
)
By = Annotated[str | None, option("--by", "Parts of the images besides all: aspect, tag, or none.", SHOWN, "aspect")]
Some = Annotated[str | None, option("--metrics", "Only these, with commas: full names, or families.", SHOWN, "all")]


def compare(
    runs: Annotated[list[str], typer.Argument(help=SOURCE_HELP, show_default=False)],
    by: By = None,
    metrics: Some = None,
    form: As = Format.table,
) -> None:
    """Compare models image by image: differences, intervals, p, what could have been seen; rank three or more."""
    import json

    from evalsuite import sources
    from evalsuite.compare import compare as found_by
    from evalsuite.display import write

    read = sources.read_all(runs)
    found = found_by(
        [source.card for source in read],
        by=parts("aspect" if by is None else by),
        metrics=None if metrics is None else [name.strip() for name in metrics.split(",")],
        labels=sources.labels(read),
    )
    if form == "json":
        write(json.dumps(found.to_json(), ensure_ascii=False, indent=1))
        return
    from evalsuite import compare_text

    if form == "table":
        from rich.console import Console

        Console().print(compare_text.table(found))
    else:
        write(compare_text.text_markdown(found) if form == "md" else compare_text.text_csv(found))


def parts(words: str) -> tuple[str, ...]:
    """Kinds of slices.

    Raises:
        InputError: an unknown one.
    """
    from evalsuite.errors import InputError
    from evalsuite.pairing import KINDS

    names = tuple(name for name in (word.strip() for word in words.split(",")) if name not in ("", "none", "all"))
    for name in names:
        if name not in KINDS:
            raise InputError(f"--by {name!r} is unknown: use {', '.join(KINDS)}, or none")
    return names
