"""`python -m tests.published_figures`: synthetic worlds beside published figures, as Markdown.

The table of docs/synthetic-data.md is this command's output. It takes about a minute.
"""

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence

import polars as pl

from synth.agreement import Agreement, Published, compared
from synth.mooc_figures import mooc_figures
from synth.mooc_published import MOOC_FIGURES
from synth.oulad_figures import OULAD_FIGURES, oulad_figures
from synth.parts import gathered
from synth.presets import named_preset, world_parts

Figures = Callable[[Mapping[str, pl.DataFrame]], dict[str, float]]

COMPARED: Mapping[str, tuple[Sequence[Published], Figures]] = {
    "mooc": (MOOC_FIGURES, mooc_figures),
    "oulad": (OULAD_FIGURES, oulad_figures),
}
"""Preset -> published figures, and how a world's are found."""
COURSES = {"mooc": 200, "oulad": 7}
LEARNERS = 100_000
SEED = 1
HEADER = ["| figure | published | tolerance | found | source |", "|---|---|---|---|---|"]
ASIDE = ["| figure | published | found | source | not followed, because |", "|---|---|---|---|---|"]


def agreements(
    preset: str, *, learners: int = LEARNERS, courses: int | None = None, seed: int = SEED
) -> list[Agreement]:
    """Make a world of a preset, and put its figures beside the published ones."""
    figures, find = COMPARED[preset]
    parts = world_parts(
        named_preset(preset), learners=learners, courses=courses or COURSES[preset], seed=seed
    )
    return list(compared(figures, find(gathered(parts))))


def shown(value: float, published: Published) -> str:
    """A figure as the table has it."""
    if published.share:
        return f"{100 * value:.4g}%"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def told(published: Published) -> str:
    """The published figure, or range, as the table has it."""
    low, high = shown(published.low, published), shown(published.high, published)
    if math.isinf(published.high):
        return f"at least {low}"
    return low if published.low == published.high else f"{low} to {high}"


def row(published: Published, found: str) -> str:
    """A line of the table; of the second one where the figure is not followed."""
    name, value, source = published.name, told(published), published.source
    if published.aside:
        return f"| {name} | {value} | {found} | {source} | {published.aside} |"
    width = "" if published.tolerance == 0 else f"± {shown(published.tolerance, published)}"
    return f"| {name} | {value} | {width} | {found} | {source} |"


def lines(found: Sequence[Agreement]) -> tuple[list[str], list[str]]:
    """The table of what is followed, and that of what is not."""
    tables = (list(HEADER), list(ASIDE))
    for one in found:
        mark = "" if one.holds else " **outside**"
        value = shown(one.found, one.published) + mark
        tables[bool(one.published.aside)].append(row(one.published, value))
    return tables


def main() -> int:
    """Print the tables; 1 where a figure is outside its tolerance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=LEARNERS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("presets", nargs="*", default=list(COMPARED))
    options = parser.parse_args()
    outside = 0
    for preset in options.presets:
        found = agreements(preset, learners=options.learners, seed=options.seed)
        print(f"\n`{preset}`, {options.learners:,} learners, {COURSES[preset]} courses, seed "
              f"{options.seed}:\n")  # fmt: skip
        for table in lines(found):
            if len(table) > len(HEADER):
                print("\n".join([*table, ""]))
        outside += sum(not one.holds for one in found)
    return int(outside > 0)


if __name__ == "__main__":
    sys.exit(main())
