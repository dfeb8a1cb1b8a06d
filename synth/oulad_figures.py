"""Published figures of OULAD, and the same figures of a world in its shape."""

from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from synth.agreement import mean, number, quantile, ratio, share
from synth.oulad_preset import RESULTS

_SOURCE: Final = "OULAD"
_CLICKED: Final = "OULAD, AAA and BBB 2013B"
_KEY: Final = ("code_module", "code_presentation", "id_student")

OULAD_FIGURES: Final = (
    share("learners in one presentation", 0.88, 0.01, _SOURCE),
    share("learners in two presentations", 0.11, 0.01, _SOURCE),
    share("learners in three and more presentations", 0.008, 0.002, _SOURCE),
    share("presentations that repeat a module, of a learner's further ones", 0.344, 0.02, _SOURCE),
    share("Distinction", 0.093, 0.01, _SOURCE),
    share("Pass", 0.379, 0.015, _SOURCE),
    share("Fail", 0.216, 0.015, _SOURCE),
    share("Withdrawn", 0.312, 0.015, _SOURCE),
    share("passed with an HE Qualification", 0.562, 0.03, _SOURCE),
    share("passed with Lower Than A Level", 0.389, 0.03, _SOURCE),
    share("women, of rows", 0.452, 0.015, _SOURCE),
    share("without an imd_band", 0.034, 0.004, _SOURCE),
    share("scores that are null", 0.001, 0.0003, _SOURCE),
    share("left before the first day, of the withdrawn", 0.266, 0.02, _SOURCE),
    number("scores a presentation taken", 5.34, 0.5, _SOURCE),
    share("no click, of the failed", 0.082, 0.01, _CLICKED),
    share("no click, of the withdrawn", 0.314, 0.02, _CLICKED),
    number("clicks, median", 617, 62, _CLICKED),
    number("clicks, 90%", 2_680, 268, _CLICKED),
    number("clicks, 99%", 7_722, 772, _CLICKED),
    number("clicks, most", 15_716, 1_572, _CLICKED),
    share("clicks of the busiest tenth", 0.43, 0.03, _CLICKED),
    number("clicks, median of Distinction", 1_198, 120, _CLICKED),
    number("clicks, median of Pass", 944, 94, _CLICKED),
    number("clicks, median of Fail", 275, 28, _CLICKED),
    number("clicks, median of Withdrawn", 235, 24, _CLICKED),
    number("active days, median of Pass", 71, 15, _CLICKED),
    number("active days, median of Withdrawn", 17, 5, _CLICKED),
)  # fmt: skip
"""Clicks and days are of who clicked, in a presentation."""


def oulad_figures(tables: Mapping[str, pl.DataFrame]) -> dict[str, float]:
    """The figures of `OULAD_FIGURES`, of the tables of a world in the shape of OULAD."""
    info = tables["studentInfo"]
    clicks = (
        tables["studentVle"]
        .group_by(_KEY)
        .agg(pl.col("sum_click").sum().alias("clicks"), pl.col("date").n_unique().alias("days"))
    )
    return dict(
        [
            *_taken(info),
            *_outcomes(info, tables["studentRegistration"]),
            *_people(info),
            *_scores(info, tables["studentAssessment"]),
            *_clicks(clicks),
            *_clicks_by_result(info.join(clicks, on=_KEY, how="left")),
        ]
    )


def _taken(info: pl.DataFrame) -> Iterator[tuple[str, float]]:
    counts = info.group_by("id_student").len()["len"]
    yield "learners in one presentation", mean(counts == 1)
    yield "learners in two presentations", mean(counts == 2)
    yield "learners in three and more presentations", mean(counts >= 3)
    again = info.height - info.select("id_student", "code_module").n_unique()
    further = info.height - len(counts)
    yield "presentations that repeat a module, of a learner's further ones", ratio(again, further)


def _outcomes(info: pl.DataFrame, registration: pl.DataFrame) -> Iterator[tuple[str, float]]:
    for result in RESULTS:
        yield result, mean(info["final_result"] == result)
    passed = info["final_result"].is_in(["Distinction", "Pass"])
    for level in ("HE Qualification", "Lower Than A Level"):
        of_level = passed.filter(info["highest_education"] == level)
        name = f"an {level}" if level.startswith("HE") else level
        yield f"passed with {name}", mean(of_level)
    days = registration["date_unregistration"].drop_nulls()
    yield "left before the first day, of the withdrawn", mean(days < 0)


def _people(info: pl.DataFrame) -> Iterator[tuple[str, float]]:
    yield "women, of rows", mean(info["gender"] == "F")
    yield "without an imd_band", mean(info["imd_band"].is_null())


def _scores(info: pl.DataFrame, scores: pl.DataFrame) -> Iterator[tuple[str, float]]:
    yield "scores that are null", mean(scores["score"].is_null())
    yield "scores a presentation taken", ratio(scores.height, info.height)


def _clicks(clicks: pl.DataFrame) -> Iterator[tuple[str, float]]:
    total = clicks["clicks"].sort(descending=True)
    for name, level in (("median", 0.5), ("90%", 0.9), ("99%", 0.99), ("most", 1.0)):
        yield f"clicks, {name}", quantile(total, level)
    yield (
        "clicks of the busiest tenth",
        ratio(int(total.head(len(total) // 10).sum()), int(total.sum())),
    )


def _clicks_by_result(rows: pl.DataFrame) -> Iterator[tuple[str, float]]:
    for result in RESULTS:
        clicks = rows.filter(final_result=result)["clicks"]
        yield f"clicks, median of {result}", quantile(clicks, 0.5)
    for result, name in (("Fail", "failed"), ("Withdrawn", "withdrawn")):
        nothing = rows.filter(final_result=result)["clicks"].is_null()
        yield f"no click, of the {name}", mean(nothing)
    for result in ("Pass", "Withdrawn"):
        yield (
            f"active days, median of {result}",
            quantile(rows.filter(final_result=result)["days"], 0.5),
        )
