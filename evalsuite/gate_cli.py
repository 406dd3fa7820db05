"""``evalsuite gate`` and ``evalsuite baseline``: stop a release whose numbers got worse."""

from __future__ import annotations

from typing import Annotated

import typer

from evalsuite.options import SHOWN, As, Format, option

baseline = typer.Typer(help="Keep the scores of a run, to compare and gate with.", no_args_is_help=True)

JUDGED = "What to judge by"
RUN_HELP = "A run folder, or FOLDER:MODEL."
AGAINST_HELP = "A run folder, or a file of `evalsuite baseline save`."
RULES_HELP = "A YAML file of rules. Default: no metric may be significantly worse than the baseline."
Run = Annotated[str, typer.Argument(help=RUN_HELP, show_default=False)]
Against = Annotated[str | None, option("--baseline", AGAINST_HELP, JUDGED)]
Rules = Annotated[str | None, option("--rules", RULES_HELP, JUDGED)]
JUnit = Annotated[str | None, option("--junit", "Also write JUnit XML here.", SHOWN)]


def gate(run: Run, against: Against = None, rules: Rules = None, junit: JUnit = None, form: As = Format.table) -> None:
    """Judge a run by rules and its baseline: exit code 0 passed, 1 failed.

    Where GITHUB_STEP_SUMMARY is set, the verdict is also added there as Markdown.
    """
    import os
    from pathlib import Path

    from evalsuite import gate_text
    from evalsuite.errors import InputError
    from evalsuite.files import disk_errors, keep
    from evalsuite.gate import gate as judge
    from evalsuite.gate_rules import read_rules
    from evalsuite.sources import read, readable

    asked = None if rules is None else read_rules(rules)
    if against is None and (asked is None or any(rule.kind == "tolerance" for rule in asked)):
        what = "rules with a tolerance need it" if asked else "or --rules with min or max alone"
        raise InputError(f"name --baseline RUN or FILE: {what}")
    cards = readable(run)
    found = judge(cards, None if against is None else [source.card for source in read(against)], asked)
    if junit is not None:
        keep(Path(junit), gate_text.junit(found))
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with disk_errors(f"add the verdict to {summary}"), Path(summary).open("a", encoding="utf-8") as file:
            file.write(gate_text.text_markdown(found) + "\n")
    _show(found, form)
    raise typer.Exit(0 if found.passed else 1)


@baseline.command()
def save(
    run: Run,
    file: Annotated[str, typer.Argument(help="The file to commit, such as baseline.json.", show_default=False)],
    model: Annotated[str | None, typer.Option("--model", help="One model of several. Default: all.")] = None,
) -> None:
    """Write the small file to commit: every score with its image, prompt and seed, without the images."""
    from pathlib import Path

    from evalsuite.baseline import save as write_file
    from evalsuite.display import write
    from evalsuite.errors import InputError
    from evalsuite.sources import read

    cards = [source.card for source in read(run)]
    chosen = [card for card in cards if model in (None, card.model)]
    if not chosen:
        raise InputError(f"{run} has no model {model!r}; it has {', '.join(card.model for card in cards)}")
    write_file(chosen, Path(file))
    write(file)


def _show(found: object, form: Format) -> None:
    import json

    from evalsuite import gate_text
    from evalsuite.display import write
    from evalsuite.gate import Gate

    assert isinstance(found, Gate)
    if form == "json":
        write(json.dumps(found.to_json(), ensure_ascii=False, indent=1))
    elif form == "table":
        from rich.console import Console

        Console().print(gate_text.table(found))
    else:
        write(gate_text.text_markdown(found) if form == "md" else gate_text.text_csv(found))
