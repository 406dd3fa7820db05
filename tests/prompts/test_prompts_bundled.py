import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from backbones.training.names import NAMES
from backbones.training.scene import COLOURS
from prompts import BUNDLED, Prompt, load, select

COUNTS = {"smoke": 16, "scenes": 120, "edits": 120, "held-out": 200, "open": 200, "imagenet": 1000}
EDIT_KINDS = {"recolour", "replace", "add", "move", "background"}
WORLD = ("smoke", "scenes", "edits", "held-out")

_COLOUR = "(?:({}) )?".format("|".join(COLOURS))
_NAME = "({})".format("|".join(sorted(NAMES, key=len, reverse=True)))
_PLURAL = "({})".format("|".join(sorted({thing.plural for thing in NAMES.values()}, key=len, reverse=True)))
GRAMMAR = re.compile(
    f"(?:(?:flat|shaded|3d) )?"
    f"(?:an? {_COLOUR}{_NAME}(?: (?:and|left of|right of|above|below) an? {_COLOUR}{_NAME})?"
    f"|(?:two|three|four) {_COLOUR}{_PLURAL}) "
    f"on an? ({'|'.join(COLOURS)})(?: gradient)? background"
)


def test_the_listed_sets_are_the_shipped_ones():
    shipped = {path.stem for path in (Path(__file__).parents[2] / "prompts" / "data").glob("*")}
    assert set(BUNDLED) == shipped == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_size_ids_tags_and_texts(name):
    prompts = load(name).prompts
    assert load(name).source == "bundled"
    assert len(prompts) == COUNTS[name]
    assert all(re.fullmatch(rf"{name}-\d+[ab]?", prompt.id) for prompt in prompts)
    assert all(prompt.tags for prompt in prompts)
    assert len({prompt.text for prompt in prompts}) == len(prompts)


@pytest.mark.parametrize("name", WORLD)
def test_the_world_is_asked_only_for_what_its_grammar_says(name):
    for prompt in load(name).prompts:
        match = GRAMMAR.fullmatch(prompt.text)
        assert match, prompt.text
        *tints, background = match.group(1, 3, 5, 7)
        assert background not in tints, f"invisible: {prompt.text}"
        for article, word in re.findall(r"\b(an?) (\w+)", prompt.text):
            vowel_sound = word[0] in "aeiou" and word != "unicorn"
            assert article == ("an" if vowel_sound else "a"), prompt.text


def test_smoke_has_six_edits_of_different_kinds():
    prompts = {prompt.id: prompt for prompt in load("smoke").prompts}
    edits = [prompt for prompt in prompts.values() if prompt.base]
    kinds = [set(edit.tags) & (EDIT_KINDS | {"count"}) for edit in edits]
    assert sorted(map(len, kinds)) == [1] * 6
    assert set.union(*kinds) == EDIT_KINDS | {"count"}
    assert all(kind <= set(prompts[edit.base].tags) for kind, edit in zip(kinds, edits, strict=True))
    roots = {tag for prompt in prompts.values() if not prompt.base for tag in prompt.tags}
    assert {"object", "attribute", "counting", "relation"} <= roots


def test_scenes_are_balanced():
    prompts = load("scenes").prompts
    counts = Counter(tag for prompt in prompts for tag in prompt.tags)
    assert [counts[tag] for tag in ("object", "attribute", "counting", "relation")] == [30] * 4
    assert min(counts["style"], counts["gradient"]) >= 10
    assert {GRAMMAR.fullmatch(prompt.text)[7] for prompt in prompts} == set(COLOURS)


def test_edits_are_sixty_pairs_that_share_their_tag():
    prompts = {prompt.id: prompt for prompt in load("edits").prompts}
    pairs = [(prompts[prompt.base], prompt) for prompt in prompts.values() if prompt.base]
    assert len(pairs) == 60
    assert all(base.tags == edit.tags for base, edit in pairs)
    assert Counter(edit.tags[0] for _, edit in pairs) == dict.fromkeys(EDIT_KINDS, 12)


def test_an_edit_changes_what_its_tag_says():
    prompts = {prompt.id: prompt for prompt in load("edits").prompts}
    for edit in (prompt for prompt in prompts.values() if prompt.base):
        before, after = prompts[edit.base].text.split(), edit.text.split()
        lost, gained = Counter(before) - Counter(after), Counter(after) - Counter(before)
        kind = edit.tags[0]
        if kind == "recolour":
            assert set(lost) | set(gained) <= set(COLOURS) | {"a", "an"}
        elif kind == "background":
            assert edit.text.split(" on a")[0] == prompts[edit.base].text.split(" on a")[0]
        elif kind == "move":
            assert set(lost) | set(gained) <= {"left", "right", "above", "below", "of"}
        elif kind == "add":
            assert not lost
        else:
            assert sum(lost.values()) == sum(gained.values()) == 1


def test_a_selection_keeps_order_and_never_parts_an_edit_from_its_base():
    for name in COUNTS:
        prompts = load(name).prompts
        for limit in (1, 2, 3, 7, 16, 10_000):
            chosen = select(prompts, limit)
            ids = {prompt.id for prompt in chosen}
            assert len(chosen) == min(limit, len(prompts))
            assert all(prompt.base in ids for prompt in chosen if prompt.base)
            assert chosen == tuple(prompt for prompt in prompts if prompt.id in ids)
        assert select(prompts, None) == prompts


def test_an_edit_before_its_base_brings_it_along():
    edit, other, base = Prompt("edit", "b", base="base"), Prompt("other", "c"), Prompt("base", "a")
    assert select([edit, other, base], 2) == (edit, base)
    assert select([edit, other, base], 1) == (other,)


def test_importing_prompts_loads_only_the_standard_library():
    code = (
        "import sys, prompts; prompts.load('smoke'); "
        "print([name for name in sys.modules if name.split('.')[0] not in sys.stdlib_module_names "
        "and name.split('.')[0] not in ('prompts', '__main__') and not name.startswith('_')])"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run([sys.executable, "-S", "-c", code], cwd=root, capture_output=True, check=True, text=True)
    assert result.stdout.strip() == "[]"
