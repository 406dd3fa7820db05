"""``evalsuite compare``: two models or more, from their scores alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.options import SHOWN, As, Format, option

if TYPE_CHECKING:
    from evalsuite.sources import Source

SOURCE_HELP = (
    "Run folders, files of `evalsuite baseline save`, or FOLDER:MODEL; one folder with several models is enough."
)
By = Annotated[str | None, option("--by", "Parts of the images besides all: aspect, tag, or none.", SHOWN, "aspect")]
Some = Annotated[str | None, option("--metrics", "Only these, with commas: full names, or families.", SHOWN, "all")]
Groups = Annotated[
    list[str] | None,
    option(
        "--group",
        "Models of one recipe, trained with several seeds: dit=dit-0,dit-1 or dit=dit-*; given twice, the two recipes "
        "are compared over training seeds and prompts.",
        SHOWN,
        metavar="NAME=MODELS",
    ),
]


def compare(
    runs: Annotated[list[str], typer.Argument(help=SOURCE_HELP, show_default=False)],
    groups: Groups = None,
    by: By = None,
    metrics: Some = None,
    form: As = Format.table,
) -> None:
    """Compare models image by image: differences, intervals, p, what could have been seen; rank three or more."""
    import json

    from evalsuite import sources
    from evalsuite.compare import compare as found_by
    from evalsuite.display import write

    kinds = parts("aspect" if by is None else by)
    some = None if metrics is None else [name.strip() for name in metrics.split(",")]
    if groups:
        _groups([source for words in runs for source in sources.read(words)], groups, kinds, some, form)
        return
    read = sources.read_all(runs)
    found = found_by([source.card for source in read], by=kinds, metrics=some, labels=sources.labels(read))
    if form == "json":
        write(json.dumps(found.to_json(), ensure_ascii=False, indent=1))
        return
    from evalsuite import compare_text

    if form == "table":
        from rich.console import Console

        Console().print(compare_text.table(found))
    else:
        write(compare_text.text_markdown(found) if form == "md" else compare_text.text_csv(found))


def _groups(
    read: Sequence[Source], given: Sequence[str], by: tuple[str, ...], metrics: Sequence[str] | None, form: Format
) -> None:
    """Two recipes over their training seeds."""
    from evalsuite import groups_text, model_source, sources
    from evalsuite.display import write
    from evalsuite.group_names import parse
    from evalsuite.groups import compare_groups

    full = sources.labels(read)
    short = list(model_source.labels(full).values())
    found = compare_groups(
        [source.card for source in read], parse(given, full, short), by=by, metrics=metrics, labels=short
    )
    if form == "table":
        from rich.console import Console

        Console().print(groups_text.table(found))
    else:
        as_text = {"json": groups_text.text_json, "md": groups_text.text_markdown, "csv": groups_text.text_csv}
        write(as_text[form](found))


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
