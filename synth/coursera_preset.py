"""What a synthetic platform in the shape of the Coursera export is like: every parameter of it.

A preset is a TOML text; each parameter stands in it with the source that it was taken from, see
`synth.sourced`. Shares that exclude each other are scaled to sum to one where they are drawn from.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from synth.permission import Consent
from synth.pools import AGENTS
from synth.sourced import Sourced

_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

Ids = Literal["linked", "isolated"]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1e9)]
Days = Annotated[float, Field(gt=0, le=1_000)]
Count = Annotated[int, Field(ge=1, le=10_000)]

PROFILE: Final = (
    "country_cd",
    "region_cd",
    "profile_language_cd",
    "browser_language_cd",
    "reported_or_inferred_gender",
    "employment_status",
    "educational_attainment",
    "student_status",
)
"""The columns of `users` that may hold nulls."""


def _some_weight(shares: Mapping[str, float]) -> Mapping[str, float]:
    if not sum(shares.values()) > 0:
        raise ValueError("at least one share above zero was expected")
    return shares


Shares = Annotated[Mapping[str, Weight], Field(min_length=1), AfterValidator(_some_weight)]


def _of_the_profile(shares: Mapping[str, float]) -> Mapping[str, float]:
    unknown = sorted(set(shares) - set(PROFILE))
    if unknown:
        raise ValueError(f"{unknown[0]} is none of the columns {', '.join(PROFILE)}")
    return shares


class People(BaseModel):
    """Who the learners are. Shares of values are among those whose value is known.

    Attributes:
        countries: country -> share.
        regions: region -> share, whatever the country.
        genders: gender -> share.
        education: highest education -> share.
        employment: employment -> share.
        student: whether studying for a degree -> share.
        missing: column of `users` -> share of nulls; a region also lacks where the country does.
        youngest: the least age in years.
        median_age: in years.
        aged_50: the share of those who are 50 or older.
        surveyed: the share who answered the demographic survey.
    """

    model_config = _FROZEN
    countries: Sourced[Shares]
    regions: Sourced[Shares]
    genders: Sourced[Shares]
    education: Sourced[Shares]
    employment: Sourced[Shares]
    student: Sourced[Shares]
    missing: Sourced[Annotated[Mapping[str, Share], AfterValidator(_of_the_profile)]]
    youngest: Sourced[Count]
    median_age: Sourced[float]
    aged_50: Sourced[Annotated[float, Field(ge=1e-6, le=0.45)]]
    surveyed: Sourced[Share]

    @model_validator(mode="after")
    def _ages_ascend(self) -> Self:
        if not self.youngest.value + 1 <= self.median_age.value < 50:
            raise ValueError("youngest + 1 <= median_age < 50 was expected")
        return self


class Courses(BaseModel):
    """What courses are made of.

    Attributes:
        popularity: exponent of Zipf's law: the course of rank r draws as 1 / r ** popularity.
        categories: how many subjects the courses are of.
        fewest_items: a course has at least so many items.
        most_items: and at most so many.
        fewest_modules: a course has at least so many modules, which are weeks.
        most_modules: and at most so many.
        lectures: the share of videos among the items that are not graded.
        new_versions: the share of courses with a second branch.
        peer_reviewed: the share of courses where peers review one of the graded items.
        session_days: a session of a course starts every so many days.
    """

    model_config = _FROZEN
    popularity: Sourced[Annotated[float, Field(ge=0, le=3)]]
    categories: Sourced[Count]
    fewest_items: Sourced[Annotated[int, Field(ge=12, le=1_000)]]
    most_items: Sourced[Annotated[int, Field(ge=12, le=1_000)]]
    fewest_modules: Sourced[Annotated[int, Field(ge=1, le=12)]]
    most_modules: Sourced[Annotated[int, Field(ge=1, le=100)]]
    lectures: Sourced[Annotated[float, Field(gt=0, le=1)]]
    new_versions: Sourced[Share]
    peer_reviewed: Sourced[Share]
    session_days: Sourced[Annotated[int, Field(ge=7, le=10_000)]]

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Self:
        if self.fewest_items.value > self.most_items.value:
            raise ValueError("fewest_items <= most_items was expected")
        if self.fewest_modules.value > self.most_modules.value:
            raise ValueError("fewest_modules <= most_modules was expected")
        return self


_OfTheDay = Annotated[float, Field(gt=0, le=1e9)]


class Enrolling(BaseModel):
    """Where and when learners enrol.

    Attributes:
        registrations: courses a learner, on average; their number follows a power law.
        most: nobody enrols in more courses.
        same_category: the share of further courses taken in the subject of the first.
        wait_days: from the moment when a learner could enrol to when he does, on average.
        hours: how many events fall into each hour of the day (UTC), from 0 to 23.
        left: the share who leave a course that they don't pass.
        looked_before: the share who look at a course before they enrol in it.
        registered_early: the share who register before they enrol.
        only_looked: learners who look at a course that they may never enrol in, a learner.
        specialized: the share of enrolments that are through a specialization.
        moved: the share who move on to the next session.
    """

    model_config = _FROZEN
    registrations: Sourced[Annotated[float, Field(ge=1, le=1_000)]]
    most: Sourced[Annotated[int, Field(ge=1, le=1_000)]]
    same_category: Sourced[Share]
    wait_days: Sourced[Days]
    hours: Sourced[Annotated[tuple[_OfTheDay, ...], Field(min_length=24, max_length=24)]]
    left: Sourced[Share]
    looked_before: Sourced[Share]
    registered_early: Sourced[Share]
    only_looked: Sourced[Share]
    specialized: Sourced[Share]
    moved: Sourced[Share]

    @model_validator(mode="after")
    def _mean_is_possible(self) -> Self:
        # The mean of equal shares: a power law that falls has a smaller one.
        if self.registrations.value > (1 + self.most.value) / 2:
            raise ValueError("registrations at most (1 + most) / 2 was expected")
        return self


class Outcomes(BaseModel):
    """What becomes of enrolments, as shares of all of them; the rest view less than half.

    Attributes:
        absent: never start an item.
        explored: start at least half of the items, and don't pass.
        certified: pass.
        absent_sd: how much `absent` differs between courses, as the standard deviation of its log.
        certified_sd: the same of `certified`.
        length_slope: a course with a share of p more items is passed by a share of about
            length_slope * p fewer.
        weekly_video: the shares that start at least one video of the first, second, ... module; the
            last is that of all further modules.
        further_items: of the modules that they come to, those who view less than half start so
            large a share beside one video.
        explored_further: of the second half of the items, those who explore start so large a share.
        certified_items: of the items that are not graded, those who pass start so large a share.
        completed: the share of started items that are completed by those who don't pass.
    """

    model_config = _FROZEN
    absent: Sourced[Share]
    explored: Sourced[Share]
    certified: Sourced[Share]
    absent_sd: Sourced[Annotated[float, Field(ge=0, le=2)]]
    certified_sd: Sourced[Annotated[float, Field(ge=0, le=2)]]
    length_slope: Sourced[Annotated[float, Field(ge=0, le=2)]]
    weekly_video: Sourced[Annotated[tuple[Share, ...], Field(min_length=1)]]
    further_items: Sourced[Share]
    explored_further: Sourced[Share]
    certified_items: Sourced[Share]
    completed: Sourced[Share]

    @property
    def viewed(self) -> float:
        """The share that starts an item, and less than half of them."""
        return 1 - self.absent.value - self.explored.value - self.certified.value

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.viewed <= 0:
            raise ValueError("absent + explored + certified below 1 was expected")
        weekly = self.weekly_video.value
        if any(later > earlier for earlier, later in pairwise(weekly)):
            raise ValueError("weekly_video: shares that don't rise were expected")
        least = self.explored.value + self.certified.value
        if weekly[-1] < least or weekly[0] > 1 - self.absent.value:
            raise ValueError(
                "weekly_video: between explored + certified and 1 - absent was expected"
            )
        return self


class Activity(BaseModel):
    """When learners are active. Gaps follow a power law, and those of a day and more its cycle.

    Attributes:
        entry_days: from enrolling to the first item, on average.
        viewed_next_day: the share of items started on another day than the one before, among those
            who view less than half.
        explored_next_day: the same among those who explore.
        certified_next_day: the same among those who pass.
        gap_exponent: of the gaps between days.
        longest_gap_days: no gap is longer.
        session_gap_exponent: of the gaps within a day.
        shortest_gap_minutes: no gap within a day is shorter.
        completion_minutes: from starting an item to completing it, on average.
    """

    model_config = _FROZEN
    entry_days: Sourced[Days]
    viewed_next_day: Sourced[Share]
    explored_next_day: Sourced[Share]
    certified_next_day: Sourced[Share]
    gap_exponent: Sourced[Annotated[float, Field(gt=1, le=10)]]
    longest_gap_days: Sourced[Annotated[int, Field(ge=1, le=1_000)]]
    session_gap_exponent: Sourced[Annotated[float, Field(gt=1, le=10)]]
    shortest_gap_minutes: Sourced[Annotated[float, Field(ge=0.01, le=60)]]
    completion_minutes: Sourced[Annotated[float, Field(gt=0, le=100_000)]]


class Grading(BaseModel):
    """Grades from 0 to 1, and certificates.

    Attributes:
        pass_mark: a graded item is passed from this grade on; a course by passing all of them.
        zero: the share of zeros among the grades of items that those who don't pass complete.
        certified_pay: the share of those who pass that pay for the certificate.
        others_pay: the same of the others.
        ways: how it is paid for (`payment`, `finaid_grant`, `group_sponsored`) -> share.
    """

    model_config = _FROZEN
    pass_mark: Sourced[Annotated[float, Field(gt=0, lt=1)]]
    zero: Sourced[Share]
    certified_pay: Sourced[Share]
    others_pay: Sourced[Share]
    ways: Sourced[Shares]

    @model_validator(mode="after")
    def _ways_are_known(self) -> Self:
        unknown = set(self.ways.value) - {"payment", "finaid_grant", "group_sponsored"}
        if unknown:
            raise ValueError("ways: payment, finaid_grant and group_sponsored were expected")
        return self


class Forum(BaseModel):
    """Who posts, and how often: lognormal, so that a few write most.

    Attributes:
        posting: the share that posts among those who start an item.
        median_posts: posts in a course of one who posts.
        mean_posts: their average, which must not be smaller.
        most_posts: nobody posts more.
        questions: the share of posts that open a discussion.
    """

    model_config = _FROZEN
    posting: Sourced[Share]
    median_posts: Sourced[Annotated[float, Field(ge=1, le=10_000)]]
    mean_posts: Sourced[Annotated[float, Field(ge=1, le=10_000)]]
    most_posts: Sourced[Count]
    questions: Sourced[Share]

    @model_validator(mode="after")
    def _posts_ascend(self) -> Self:
        if not self.median_posts.value <= self.mean_posts.value <= self.most_posts.value:
            raise ValueError("median_posts <= mean_posts <= most_posts was expected")
        return self


class Peers(BaseModel):
    """Peer review.

    Attributes:
        reviews: reviews that a learner who hands in work is asked for.
        reviewing: the share of those that he writes.
        rated: the share of reviews that their receiver rates.
    """

    model_config = _FROZEN
    reviews: Sourced[Annotated[int, Field(ge=1, le=50)]]
    reviewing: Sourced[Share]
    rated: Sourced[Share]


def _known_devices(shares: Mapping[str, float]) -> Mapping[str, float]:
    known = [f"{os}/{browser}" for os, browser, _ in AGENTS]
    if not set(shares) <= set(known):
        raise ValueError(f"some of {', '.join(known)} were expected")
    return shares


class Clickstream(BaseModel):
    """Clicks, which partners get apart from the export; with devices and addresses.

    Attributes:
        recorded: the share of enrolments whose clicks are in the world; 0: there is no such table.
        devices: `operating system/browser` -> share.
        second_device: the share of learners who have two.
        second_address: the share of learners who come from two addresses.
    """

    model_config = _FROZEN
    recorded: Sourced[Share]
    devices: Sourced[Annotated[Shares, AfterValidator(_known_devices)]]
    second_device: Sourced[Share]
    second_address: Sourced[Share]


class CourseraPreset(BaseModel):
    """A platform in the shape of the Coursera export.

    Attributes:
        ids: `linked`: a learner has one id everywhere; `isolated`: another one in the tables of
            demographics, discussions and peer review, and bridge tables say which belong together.
    """

    model_config = _FROZEN
    shape: Literal["coursera"]
    ids: Sourced[Ids]
    people: People
    courses: Courses
    enrolling: Enrolling
    outcomes: Outcomes
    activity: Activity
    grading: Grading
    forum: Forum
    peers: Peers
    clickstream: Clickstream
    rights: Consent
