"""The parameters of a world in the shape of OULAD, as a preset file writes them."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Final, Literal, Self, TypeAlias, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from synth.permission import Consent
from synth.sourced import Sourced

_FROZEN: Final = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_ROUNDED: Final = 0.02
"""By how much shares may miss one: published ones are rounded. They are scaled before use."""

FinalResult: TypeAlias = Literal["Distinction", "Pass", "Fail", "Withdrawn"]
RESULTS: Final[tuple[FinalResult, ...]] = get_args(FinalResult)
"""In the order in which the presets list shares of results."""
AssessmentType: TypeAlias = Literal["TMA", "CMA", "Exam"]
BANDS: Final = (
    "0-10%", "10-20", "20-30%", "30-40%", "40-50%",
    "50-60%", "60-70%", "70-80%", "80-90%", "90-100%",
)  # fmt: skip
"""Of `imd_band`, as the published file writes them: one has no percent sign."""
MISSING: Final = "missing"
"""What `results_by` calls a value that is null."""
Explained: TypeAlias = Literal[
    "highest_education", "imd_band", "age_band", "disability", "num_of_prev_attempts"
]


def _adding_up(shares: tuple[float, ...]) -> tuple[float, ...]:
    if abs(sum(shares) - 1) > _ROUNDED:
        raise ValueError(f"shares that add up to 1 were expected, not to {sum(shares):.3f}")
    return shares


def _all_adding_up(shares: Mapping[str, float]) -> Mapping[str, float]:
    _adding_up(tuple(shares.values()))
    return shares


def _every_result(values: Mapping[str, object]) -> Mapping[str, object]:
    missing = sorted(set(RESULTS) - set(values))
    if missing:
        raise ValueError(f"a value for {', '.join(missing)} was expected")
    return values


def _rising(quantiles: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    shares = [share for share, _ in quantiles]
    if shares[0] != 0 or shares[-1] != 1 or any(a >= b for a, b in pairwise(shares)):
        raise ValueError("shares that rise from 0 to 1 were expected")
    if any(a > b for (_, a), (_, b) in pairwise(quantiles)):
        raise ValueError("values that do not fall were expected")
    return quantiles


Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Shares: TypeAlias = Annotated[Mapping[str, Share], AfterValidator(_all_adding_up)]
"""Value -> share."""
ListedShares: TypeAlias = Annotated[
    tuple[Share, ...], Field(min_length=1), AfterValidator(_adding_up)
]
Results: TypeAlias = Annotated[tuple[Share, Share, Share, Share], AfterValidator(_adding_up)]
"""Shares in the order of `RESULTS`."""
Number: TypeAlias = Annotated[float, Field(ge=-10_000, le=10_000)]
"""Days and scores: none is larger on either side."""
Quantiles: TypeAlias = Annotated[
    tuple[tuple[Share, Number], ...], Field(min_length=2), AfterValidator(_rising)
]
"""(share, value below which that share lies); linear between, from share 0 to 1."""
MeanAndSpread: TypeAlias = tuple[Number, Annotated[float, Field(ge=0, le=10_000)]]
LogSpread: TypeAlias = Annotated[float, Field(ge=0, le=10)]
"""Of logarithms."""
NotAll: TypeAlias = Annotated[float, Field(ge=0, le=0.999)]
"""A share of which others are left."""


class Run(BaseModel):
    """A presentation: its weight among presentations, and its length in days."""

    model_config = _FROZEN
    weight: Annotated[float, Field(gt=0, le=1e9)]
    days: Annotated[int, Field(ge=30, le=1_000)]


class Module(BaseModel):
    """A module.

    Attributes:
        female: the share of women among those whose first module it is.
        results: shares of results.
        tma: how many tutor-marked assessments a presentation has.
        cma: how many computer-marked ones.
        exams: how many exams.
        exams_recorded: whether scores of exams are among the scores.
        presentations: year and `B` (February) or `J` (October) -> the run.
    """

    model_config = _FROZEN
    female: Share
    results: Results
    tma: Annotated[int, Field(ge=0, le=50)]
    cma: Annotated[int, Field(ge=0, le=50)]
    exams: Annotated[int, Field(ge=0, le=10)]
    exams_recorded: bool
    presentations: Annotated[
        Mapping[Annotated[str, Field(pattern=r"^[0-9]{4}[BJ]$")], Run], Field(min_length=1)
    ]


class Clicks(BaseModel):
    """How much those with one result click: not at all, hardly, or by a lognormal distribution.

    Attributes:
        none: the share without a click.
        near_zero: of the others, the share that hardly clicks.
        median: of the rest.
        spread: the standard deviation of their logarithms.
    """

    model_config = _FROZEN
    none: NotAll
    near_zero: NotAll
    median: Annotated[float, Field(gt=0, le=1e6)]
    spread: LogSpread


class ActiveDays(BaseModel):
    """Days with a click: log days = intercept + slope log clicks, with normal deviations."""

    model_config = _FROZEN
    intercept: Annotated[float, Field(ge=-10, le=10)]
    slope: Annotated[float, Field(gt=0, le=10)]
    spread: LogSpread


class Activity(BaseModel):
    """A type of site: its share of the sites, and of the clicks."""

    model_config = _FROZEN
    sites: Share
    clicks: Share


ByResult: TypeAlias = Annotated[Mapping[FinalResult, MeanAndSpread], AfterValidator(_every_result)]
SharesByResult: TypeAlias = Annotated[Mapping[FinalResult, Share], AfterValidator(_every_result)]
ClicksByResult: TypeAlias = Annotated[Mapping[FinalResult, Clicks], AfterValidator(_every_result)]


class OuladPreset(BaseModel):
    """A world of the Open University's kind: modules, presentations, results, clicks.

    Attributes:
        shape: the tables are those of OULAD.
        modules: AAA, BBB and so on; a world of more courses starts again with the first.
        enrolments: shares of learners with 1, 2, ... module presentations.
        again: of the further presentations, the share that repeats a module.
        side_by_side: of those in another module, the share in a presentation at the same time.
        attempts: shares of 0, 1, ... attempts before the first presentation of a module here.
        studied_credits: credits studied at the time -> share.
        region: shares.
        imd_band: region -> shares of `BANDS`, of those who have one.
        imd_missing: region -> share without one.
        age_band: shares, youngest first.
        age_band_changes: of those with a later presentation, the share that is a band older then.
        highest_education: age band -> shares.
        disability: the share that declared one.
        results_by: column -> value -> shares of results. A module's shares are multiplied by what
            a value's are to the overall ones.
        registration: day of registration.
        registration_missing: of the withdrawn, the share without that day.
        unregistration: day on which the withdrawn left; never before they registered.
        unregistration_missing: of the withdrawn, the share without that day.
        first_active: day of the first click; never before registration.
        last_active: result -> last day with a click, by the length of the presentation.
        clicks: result -> how much they click in a presentation.
        near_zero: who hardly clicks has 1 to so many clicks.
        most_clicks: nobody has more in a presentation.
        staying: the correlation of staying long with the logarithm of clicks, by result.
        active_days: days with a click, by clicks.
        sites_a_day: rows of `studentVle` a learner and active day.
        sites: how many a presentation has.
        scheduled: the share of sites that are meant for a week.
        activities: type of site -> shares.
        last_due: when the last assessment before the exam is due, by the length.
        submitted: type of assessment -> result -> of what was due while there, the share handed in.
        scores: type -> result -> mean and standard deviation of scores.
        steadiness: of the variance of scores within a result, the share that is the learner's.
        lateness: type -> mean and standard deviation of days after the due day.
        banked: of what learners with previous attempts hand in, the share taken over from those.
        score_missing: the share of scores that are null.
        rights: what learners permitted.
    """

    model_config = _FROZEN
    shape: Literal["oulad"]
    modules: Sourced[Annotated[tuple[Module, ...], Field(min_length=1)]]
    enrolments: Sourced[ListedShares]
    again: Sourced[Share]
    side_by_side: Sourced[Share]
    attempts: Sourced[ListedShares]
    studied_credits: Sourced[
        Annotated[
            Mapping[Annotated[int, Field(ge=0, le=10_000)], Share],
            Field(min_length=1),
            AfterValidator(_all_adding_up),
        ]
    ]
    region: Sourced[Shares]
    imd_band: Sourced[Mapping[str, Annotated[ListedShares, Field(min_length=10, max_length=10)]]]
    imd_missing: Sourced[Mapping[str, Share]]
    age_band: Sourced[Shares]
    age_band_changes: Sourced[Share]
    highest_education: Sourced[Mapping[str, Shares]]
    disability: Sourced[Share]
    results_by: Sourced[Mapping[Explained, Mapping[str, Results]]]
    registration: Sourced[Quantiles]
    registration_missing: Sourced[Share]
    unregistration: Sourced[Quantiles]
    unregistration_missing: Sourced[Share]
    first_active: Sourced[Quantiles]
    last_active: Sourced[Mapping[Literal["Distinction", "Pass", "Fail"], Quantiles]]
    clicks: Sourced[ClicksByResult]
    near_zero: Sourced[Annotated[int, Field(ge=1, le=1_000_000)]]
    most_clicks: Sourced[Annotated[int, Field(ge=100, le=1_000_000)]]
    staying: Sourced[Share]
    active_days: Sourced[ActiveDays]
    sites_a_day: Sourced[Annotated[float, Field(ge=1, le=20)]]
    sites: Sourced[Annotated[int, Field(ge=1, le=5_000)]]
    scheduled: Sourced[Share]
    activities: Sourced[Annotated[Mapping[str, Activity], Field(min_length=1)]]
    last_due: Sourced[Annotated[float, Field(gt=0, le=1)]]
    submitted: Sourced[Mapping[AssessmentType, SharesByResult]]
    scores: Sourced[Mapping[AssessmentType, ByResult]]
    steadiness: Sourced[Share]
    lateness: Sourced[Mapping[AssessmentType, MeanAndSpread]]
    banked: Sourced[Share]
    score_missing: Sourced[Share]
    rights: Consent

    @field_validator("activities")
    @classmethod
    def _all_sites(cls, value: Sourced[Mapping[str, Activity]]) -> Sourced[Mapping[str, Activity]]:
        _adding_up(tuple(activity.sites for activity in value.value.values()))
        _adding_up(tuple(activity.clicks for activity in value.value.values()))
        return value

    @model_validator(mode="after")
    def _same_keys(self) -> Self:
        regions, ages = set(self.region.value), set(self.age_band.value)
        kinds, sure = set(get_args(AssessmentType)), {"Distinction", "Pass", "Fail"}
        for name, found, expected in (
            ("imd_band", self.imd_band.value, regions),
            ("imd_missing", self.imd_missing.value, regions),
            ("highest_education", self.highest_education.value, ages),
            ("last_active", self.last_active.value, sure),
            ("submitted", self.submitted.value, kinds),
            ("scores", self.scores.value, kinds),
            ("lateness", self.lateness.value, kinds),
        ):
            if set(found) != expected:
                raise ValueError(f"{name}: values for {', '.join(sorted(expected))} were expected")
        return self

    @model_validator(mode="after")
    def _results_by_known_values(self) -> Self:
        degrees = self.highest_education.value.values()
        attempts = 10 + len(self.attempts.value)
        known: dict[Explained, set[str]] = {
            "highest_education": {degree for shares in degrees for degree in shares},
            "imd_band": {*BANDS, MISSING},
            "age_band": set(self.age_band.value),
            "disability": {"N", "Y"},
            "num_of_prev_attempts": {str(number) for number in range(attempts)},
        }
        for column, by_value in self.results_by.value.items():
            if unknown := sorted(set(by_value) - known[column]):
                raise ValueError(f"results_by: {column} is never {unknown[0]!r}")
        return self
