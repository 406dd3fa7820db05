from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from made_cards import card

from evalsuite import scorecard
from evalsuite.errors import InputError
from evalsuite.gate_rules import Amount, Rule, read_rules
from evalsuite.scorecard import Scorecard

CI = Path(__file__).parent.parent / "ci"


@pytest.fixture
def rules(tmp_path: Path) -> Callable[[str], str]:
    """Write a rules file, and return its path."""

    def write(text: str) -> str:
        (tmp_path / "gates.yaml").write_text(text, encoding="utf-8")
        return str(tmp_path / "gates.yaml")

    return write


@pytest.fixture
def kept(tmp_path: Path) -> Callable[..., str]:
    """Write a run folder of cards, and return its path."""

    def keep(name: str, *cards: Scorecard) -> str:
        (tmp_path / name).mkdir()
        scorecard.write(tmp_path / name, cards)
        return str(tmp_path / name)

    return keep


def test_rules_are_read_from_yaml(rules: Callable[[str], str]):
    found = read_rules(
        rules(
            "rules:\n- {metric: hps, tolerance: 2%, slice: aspect=16:9}\n- metric: clip_score\n  min: 60\n  max: 90.5\n"
            "  min_n: 100\n- {metric: fid, fail_if: significant, allow_missing: 1%}\n- {metric: no}\n"
        )
    )
    assert found == (
        Rule("hps", "tolerance", Amount(2, True), "aspect=16:9", "both"),
        Rule("clip_score", "min", Amount(60), "all", "point", 100),
        Rule("clip_score", "max", Amount(90.5), "all", "point", 100),
        Rule("fid", "tolerance", Amount(0), "all", "significant", None, Amount(1, True)),
        Rule("no", "tolerance", Amount(0), "all", "both"),
    )
    assert [str(rule) for rule in found[:4]] == [
        "tolerance 2% (both)",
        "min 60 (point)",
        "max 90.5 (point)",
        "not worse (significant)",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no rules"),
        ("[]", "has no rules"),
        ("rules: 3", "has no rules"),
        ("- hps", "rule 1 is no rule"),
        ("- {metric: [a, b]}", "rule 1 is no rule"),
        ("- {metric: hps}\n- {tolerance: 1}", "rule 2 names no metric"),
        ("- {metric: hps, tolerence: 1}", "has no 'tolerence'; did you mean tolerance?"),
        ("- {metric: hps, tolerance: one}", "tolerance is 'one': write a number, or a share such as 2%"),
        ("- {metric: hps, tolerance: nan}", "write a number"),
        ("- {metric: hps, tolerance: -1}", "write 0 or more"),
        ("- {metric: hps, min: 5%}", "min is '5%': write a number"),
        ("- {metric: hps, fail_if: never}", "use significant, point, both"),
        ("- {metric: hps, fail_if: significant, tolerance: 1}", "drop the tolerance, or use both"),
        ("- {metric: hps, slice: 16:9}", "use all, aspect=16:9"),
        ("- {metric: hps, min_n: many}", "write a whole number"),
        ("- {metric: hps, metric: fid}", "metric appears twice"),
        ("- &a {metric: hps}\n- *a", "aliases are refused"),
    ],
)
def test_a_wrong_rule_is_told_in_one_line(text: str, said: str, rules: Callable[[str], str]):
    with pytest.raises(InputError) as caught:
        read_rules(rules(text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_yaml_is_told(tmp_path: Path):
    with pytest.raises(InputError, match=r"name a \.yaml file of rules"):
        read_rules(tmp_path / "nothing.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * (1 << 21))
    with pytest.raises(InputError, match="larger than 1 MB: it holds rules only"):
        read_rules(tmp_path / "large.yaml")


def test_the_example_rules_can_be_read_and_are_explained():
    found = read_rules(CI / "gates.yaml")
    assert {rule.kind for rule in found} == {"tolerance", "min"}
    from evalsuite.gate_rules import KEYS

    text = (CI / "gates.yaml").read_text(encoding="utf-8")
    assert all(f"# {key}" in text or f", {key}" in text for key in KEYS)


def script_of(file: str) -> str:
    """The shell script that a CI snippet runs."""
    data = yaml.safe_load((CI / file).read_text(encoding="utf-8"))
    if "runs" in data:
        return str(data["runs"]["steps"][-1]["run"])
    return "\n".join(data[".evalsuite-gate"]["script"])


@pytest.mark.parametrize(
    ("file", "shell"), [("github/action.yml", ["bash", "-eo", "pipefail"]), ("gitlab.yml", ["sh", "-e"])]
)
def test_the_ci_snippets_run_the_gate_and_pass_its_exit_code_on(
    file: str, shell: list[str], kept: Callable[..., str], rules: Callable[[str], str], tmp_path: Path
):
    base, worse = kept("a base", card("m", 40)), kept("worse; exit 0", card("m", 40, shift=-2, noise=2))
    output = tmp_path / "output"
    for given, path, code in ((base, "", 0), (worse, "", 1), (base, rules("- {metric: hps, min: 100}"), 1)):
        environment = {
            **os.environ,
            "RUN": given,
            "BASELINE": base,
            "RULES": path,
            "JUNIT": "gate.xml",
            "GITHUB_OUTPUT": str(output),
        }
        done = subprocess.run(
            [*shell, "-c", script_of(file)], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert (tmp_path / "gate.xml").is_file()
    if "github" in file:
        assert output.read_text() == "code=0\ncode=1\ncode=1\n"


def test_an_action_takes_nothing_into_its_script_unquoted():
    """An input that a script text takes in is code: it comes by the environment."""
    data = yaml.safe_load((CI / "github" / "action.yml").read_text(encoding="utf-8"))
    for step in data["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"
