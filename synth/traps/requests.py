"""The requests that a trapped world is built for, and what a workspace needs for them."""

import math
from collections.abc import Mapping
from typing import Final

COURSES, LEARNERS, PROFILES = "courses", "learners", "profiles"
"""Names of requests for microdata: under course scope; under release scope with courses, and
without."""

FIGURES, TWIN = "figures", "twin"
"""Names of the requests for an aggregate and for a synthetic twin."""

MICRODATA: Final = (COURSES, LEARNERS, PROFILES)
NOISY: Final = (FIGURES, TWIN)
EVERY: Final = (*MICRODATA, *NOISY)

SOURCE: Final = "world"
"""What the requests call the source."""

POLICY: Final = """\
[budget]
epsilon_per_family = 128.0
delta = 1e-9
"""
"""What `policy.toml` of `kohort init --local` needs besides. The budget is far too large for real
learners: a test must tell thirty learners from none."""

PERIODS: Final = "month=2020-01-01..2020-12-01"
"""Of `kohort catalog new world --periods`."""

CATALOGUE: Final = "CATALOGUE"
"""Stands in requests for the hash that `kohort catalog show world` prints."""

PREMISE: Final = (
    "Each release is built alone: in a workspace of its own, once both files of rights are "
    "imported. Live releases of the same learners bind the next one, which then may hold fewer of "
    "them than is claimed."
)
"""What all claims about releases take for granted, for whoever reads nothing but the file."""

NOISE_ALARM: Final = 1e-9
"""How often noise alone takes one figure further off than a claim allows."""

MOST_MONTHS: Final = 3
"""In how many cells of `activity` a learner counts."""

EPSILON: Final = 4.0
"""Of each query of the aggregate; what each table of the twin with courses in it has at least."""

_HEAD: Final = """\
title = "{title}"
researcher = "r.lee@uni.example"
purpose = "research"
source = "world"
"""

_COURSES: Final = """
[release]
type = "microdata"
pseudonyms = "course"
learners = ["country_cd", "educational_attainment", "reported_or_inferred_gender"]
enrolments = ["course_id", "passing_state", "active_weeks", "items_completed"]
csv = true

[release.privacy]
k = {k}
suppression_limit = 0.2
"""

_LEARNERS: Final = """
[release]
type = "microdata"
pseudonyms = "release"
learners = ["educational_attainment", "reported_or_inferred_gender"]
enrolments = ["course_id"]
csv = true

[release.privacy]
k = {k}
suppression_limit = 0.2
item_suppression_limit = 0.5
"""

_PROFILES: Final = """
[release]
type = "microdata"
pseudonyms = "release"
learners = ["educational_attainment", "reported_or_inferred_gender"]
csv = true

[release.privacy]
k = {k}
suppression_limit = 0.2
"""

_FIGURES: Final = f"""
[release]
type = "aggregate"
catalogue = "{CATALOGUE}"
csv = true

[release.budget]
epsilon = {4 * EPSILON}

[[release.queries]]
name = "by_course"
type = "learners"
by = ["course_id"]
cells = 1

[[release.queries]]
name = "by_gender"
type = "learners"
by = ["course_id", "reported_or_inferred_gender"]
cells = 1

[[release.queries]]
name = "by_education"
type = "learners"
by = ["course_id", "educational_attainment"]
cells = 1

[[release.queries]]
name = "activity"
type = "events"
view = "activity"
by = ["course_id", "month"]
cells = {MOST_MONTHS}
most = 1
"""

_TWIN: Final = f"""
[release]
type = "synthetic"
pseudonyms = "course"
catalogue = "{CATALOGUE}"
learners = ["reported_or_inferred_gender", "educational_attainment"]
enrolments = ["course_id", "passing_state"]
levels = {{ educational_attainment = 1 }}
csv = true

[release.budget]
epsilon = {10 * EPSILON}
"""


def requests_of(k: int) -> Mapping[str, str]:
    """Name -> the TOML text of a request.

    Args:
        k: what microdata shall promise.
    """
    return {
        COURSES: _HEAD.format(title="Passing and activity by background") + _COURSES.format(k=k),
        LEARNERS: _HEAD.format(title="Courses taken by background") + _LEARNERS.format(k=k),
        PROFILES: _HEAD.format(title="Learners by background") + _PROFILES.format(k=k),
        FIGURES: _HEAD.format(title="Learners and activity by course") + _FIGURES,
        TWIN: _HEAD.format(title="Learners who do not exist") + _TWIN,
    }


def within(moved: int = 1) -> int:
    """How far off a figure may be, but with a probability of `NOISE_ALARM`.

    Noise is two-sided geometric with a = exp(-epsilon / moved): it exceeds w with a probability of
    2 a^(w + 1) / (1 + a), which is below a^w.

    Args:
        moved: how much one learner moves all figures of the table together.
    """
    return math.ceil(-math.log(NOISE_ALARM) * moved / EPSILON)
