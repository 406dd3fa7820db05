"""How often the 95 % interval of `evalsuite compare --group` holds the truth, in worlds where the truth is known.

    python benchmarks/seed_coverage.py --repeats 4000

Score of a model on a prompt = prompt + recipe on that prompt + training seed + seed on that prompt, each drawn anew in
every repeat; both recipes are equally good. Prints a table; a share is right to 0.7 points at 4000 repeats.
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import numpy as np

from evalsuite.paired import of_means
from evalsuite.training_seeds import Recipe, SeedContrast, contrast


class World(NamedTuple):
    """Standard deviations of what a score is made of.

    Attributes:
        seeds: models of the two recipes.
        prompts: of every model.
        seed: between training seeds of the first and of the second recipe.
        recipe: of a recipe's own answer to a prompt, the same for all its seeds.
        own: of a model's own answer to a prompt.
        skewed: a recipe's answers have a long tail (exponential) instead of a normal one.
    """

    seeds: tuple[int, int] = (3, 3)
    prompts: int = 40
    seed: tuple[float, float] = (0.0, 0.0)
    recipe: float = 0.0
    own: float = 1.0
    skewed: bool = False


WORLDS = {
    "seeds alone": World(seed=(1, 1), own=0.1),
    "prompts alone": World(recipe=1, own=0.1),
    "own answers alone": World(),
    "seeds as large as the error over prompts": World(seed=(0.3, 0.3), recipe=1),
    "seeds above it": World(seed=(1, 1), recipe=1),
    "seeds below it": World(seed=(0.1, 0.1), recipe=1),
    "few prompts": World(prompts=10, seed=(0.3, 0.3), recipe=1),
    "many prompts": World(prompts=200, seed=(0.2, 0.2), recipe=1),
    "two seeds": World(seeds=(2, 2), seed=(0.3, 0.3), recipe=1),
    "five seeds": World(seeds=(5, 5), seed=(0.3, 0.3), recipe=1),
    "three and five seeds": World(seeds=(3, 5), seed=(0.3, 0.3), recipe=1),
    "skewed prompts": World(seed=(0.3, 0.3), recipe=1, skewed=True),
    "seeds of one recipe scatter 3 times as much": World(seed=(0.6, 0.2), recipe=1),
    "10 times as much": World(seed=(1, 0.1), recipe=1),
    "10 times as much, two seeds": World(seeds=(2, 2), seed=(1, 0.1), recipe=1),
    "10 times as much, five seeds": World(seeds=(5, 5), seed=(1, 0.1), recipe=1),
}


class Share(NamedTuple):
    """Of repeats, those in which the truth lies inside, and the median of the degrees of freedom.

    Attributes:
        both: of the interval over seeds and prompts.
        paired: of the interval over prompts alone, for the first models of the two recipes.
        dof: of the former.
    """

    both: float
    paired: float
    dof: float


def scores(world: World, count: int, seed: float, generator: Any, prompt: Any) -> Any:
    """Scores (R, G) of one recipe's models."""
    shape = (1, world.prompts)
    answer = generator.exponential(1, shape) - 1 if world.skewed else generator.standard_normal(shape)
    own = generator.standard_normal((count, world.prompts))
    return prompt + world.recipe * answer + seed * generator.standard_normal((count, 1)) + world.own * own


def recipe(table: Any) -> Recipe:
    """Scores (R, G), one image a prompt, as evalsuite sees them."""
    means = table.mean(axis=1)
    return Recipe(means, (table - means[:, None]) / table.shape[1])


def coverage(world: World, repeats: int) -> Share:
    """Count in how many repeats the recipes are, rightly, not told apart at 95 %."""
    generator = np.random.default_rng(0)
    held, paired, dof = 0, 0, []
    names = [f"{place:04}" for place in range(world.prompts)]
    for _ in range(repeats):
        prompt = 2 * generator.standard_normal((1, world.prompts))
        a, b = (scores(world, n, s, generator, prompt) for n, s in zip(world.seeds, world.seed, strict=True))
        found: SeedContrast = contrast(recipe(a), recipe(b))
        held += found.p > 0.05
        one = of_means(a[0], b[0], names)
        paired += abs(one.value) <= 2 * (one.error or 0.0)
        dof.append(found.dof)
    return Share(held / repeats, paired / repeats, float(np.median(dof)))


def main() -> None:
    """Print a line for each world."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=4000)
    args = parser.parse_args()
    print("| world | seeds | prompts | truth inside, % | dof, median | inside one pair's interval over prompts, % |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, world in WORLDS.items():
        found = coverage(world, args.repeats)
        counts = f"{world.seeds[0]} + {world.seeds[1]} | {world.prompts}"
        print(
            f"| {name} | {counts} | {100 * found.both:.1f} | {found.dof:.1f} | {100 * found.paired:.1f} |", flush=True
        )


if __name__ == "__main__":
    main()
