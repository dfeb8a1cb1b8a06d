"""Published figures of open online courses, and how far a world may be from them."""

from typing import Final

from synth.agreement import COLLECTED, READ, Published, number, set_aside, share

_HO: Final = "HarvardX-MITx 2014"
_COURSERA: Final = "Coursera 2021"
_CUBE: Final = "MOOCCube"
_JORDAN: Final = "Jordan 2015"
_SHAPE: Final = f"{COLLECTED}, {READ}"
WEEKLY: Final = (0.42, 0.25, 0.21, 0.18, 0.17, 0.14)
"""Shares that start a video of the first, second, ... week."""

MOOC_FIGURES: Final = (
    number("registrations a learner", 1.41, 0.03, _HO),
    share("never enter", 0.35, 0.015, _HO),
    share("view less than half", 0.56, 0.015, _HO),
    share("explore", 0.043, 0.005, _HO),
    share("certify", 0.051, 0.005, _HO),
    share("no-shows: complete nothing", 0.45, 0.05, COLLECTED),
    Published("correlation of passes with length", -0.5, -0.1, 0.0, f"{_JORDAN}, {READ}"),
    share("women, of those whose gender is known", 0.29, 0.01, _HO),
    share("up to high school, of the known", 0.33, 0.01, _HO),
    number("median education: 5 is a bachelor's degree", 5, 0.0, _HO),
    Published("median age", 26, 28, 0.0, _HO),
    share("aged 50 and older", 0.063, 0.01, _HO),
    share("learners in the US", 17.3 / 92, 0.01, _COURSERA),
    share("learners in India", 13.6 / 92, 0.01, _COURSERA),
    share("gender missing", 0.27, 0.01, COLLECTED),
    share("employment missing", 0.95, 0.005, COLLECTED),
    share("learners in one course", 0.83, 0.04, _CUBE),
    share("learners in two courses", 0.136, 0.03, _CUBE),
    number("most courses of a learner", 18, 2, _CUBE),
    number("Zipf exponent of course popularity", 1.0, 0.15, _SHAPE),
    Published("pairs of courses in one subject, to chance", 1.1, 4.0, 0.0, _SHAPE),
    Published("active days of who views less than half, mean", 2, 5, 0.0, COLLECTED),
    Published("active days of the certified, mean", 24, 63, 0.0, COLLECTED),
    Published("gaps within 3 hours of whole days", 0.5, 0.97, 0.0, _SHAPE, share=True),
    number("gaps in days: correlation of log number with log gap", -1.0, 0.05, _SHAPE),
    Published("post, of who enters", 0.06, 0.33, 0.0, COLLECTED, share=True),
    number("posts of a poster, mean", 10, 2, COLLECTED),
    number("posts of a poster, median", 2, 0.5, COLLECTED),
    Published("posts of a poster, most", 100, 1_442, 0.0, COLLECTED),
    *(
        share(f"start a video of week {week}", value, 0.015, COLLECTED)
        for week, value in enumerate(WEEKLY, start=1)
    ),
    Published("grades of 0", 0.5, 0.9, 0.0, _SHAPE, share=True),
    Published("commonest tenth of grades above one half, its middle", 0.9, 1.0, 0.0, COLLECTED),
    set_aside(
        "learners in three and more courses", 0.024, _CUBE, as_share=True,
        why="1.41 registrations a learner was: beside it these few would have to take 13 courses "
        "on average, of 18 at most",
    ),
    set_aside(
        "registrations a learner of the whole platform", 189 / 92, _COURSERA, as_share=False,
        why="1.41 registrations a learner was: one world has one number",
    ),
    set_aside(
        "courses' shares of passes, median", 0.126, _JORDAN, as_share=True,
        why="5.1% of all registrations certify; both could hold were small courses passed by "
        "more, but here passes do not go with popularity",
    ),
    set_aside(
        "courses of which more than 12.6% pass", 0.5, _JORDAN, as_share=True, why="the same"
    ),
    set_aside(
        "courses' shares of passes, least", 0.007, _JORDAN, as_share=True,
        why="chance makes it: 0% to 1.1% with the seeds 1 to 10",
    ),
    set_aside(
        "courses' shares of passes, most", 0.52, _JORDAN, as_share=True,
        why="chance makes it: 17% to 48% with the seeds 1 to 10",
    ),
)  # fmt: skip
"""Courses' shares and popularity are those of courses with 200 registrations and more.

A gap is the time of half a day and more between two starts of items of a learner in a course:
without a cycle a quarter of them would lie within three hours of whole days."""
