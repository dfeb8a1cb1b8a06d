"""Published figures of open online courses, and how far a world may be from them."""

import math
from typing import Final

from synth.agreement import COLLECTED, Published, excluded, number, share

_HO: Final = "HarvardX-MITx 2014"
_COURSERA: Final = "Coursera 2021"
_CUBE: Final = "MOOCCube"
_JORDAN: Final = "Jordan 2015"
WEEKLY: Final = (0.42, 0.25, 0.21, 0.18, 0.17, 0.14)
"""Shares that start a video of the first, second, ... week."""

MOOC_FIGURES: Final = (
    number("registrations a learner", 1.41, 0.03, _HO),
    share("never enter", 0.35, 0.015, _HO),
    share("view less than half", 0.56, 0.015, _HO),
    share("explore", 0.043, 0.005, _HO),
    share("certify", 0.051, 0.005, _HO),
    share("no-shows: complete nothing", 0.45, 0.05, COLLECTED),
    Published("courses' shares of passes, 5%", 0.007, 0.52, 0.002, _JORDAN, share=True),
    Published("courses' shares of passes, 95%", 0.007, 0.52, 0.002, _JORDAN, share=True),
    Published("correlation of passes with length", -1.0, 0.0, 0.0, _JORDAN),
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
    number("Zipf exponent of course popularity", 1.0, 0.15, COLLECTED),
    Published("pairs of courses in one subject, to chance", 1.1, math.inf, 0.0, COLLECTED),
    Published("active days of who views less than half, mean", 2, 5, 0.0, COLLECTED),
    Published("active days of the certified, mean", 24, 63, 0.0, COLLECTED),
    Published("gaps within 3 hours of whole days", 0.3, 1.0, 0.0, COLLECTED, share=True),
    number("gaps in days: correlation of log number with log gap", -1.0, 0.05, COLLECTED),
    Published("post, of who enters", 0.06, 0.33, 0.0, COLLECTED, share=True),
    number("posts of a poster, mean", 10, 2, COLLECTED),
    number("posts of a poster, median", 2, 0.5, COLLECTED),
    Published("posts of a poster, most", 100, 1_442, 0.0, COLLECTED),
    *(
        share(f"start a video of week {week}", value, 0.015, COLLECTED)
        for week, value in enumerate(WEEKLY, start=1)
    ),
    number("week after which the largest share stops", 1, 0.0, COLLECTED),
    Published("of those who are left, stop after week 5, to week 4", 1, math.inf, 0.0, COLLECTED),
    Published("grades of 0, to the mean of other hundredths", 2, math.inf, 0.0, COLLECTED),
    Published("commonest tenth of grades above one half, its middle", 0.9, 1.0, 0.0, COLLECTED),
    excluded(
        "learners in three and more courses", 0.024, _CUBE, as_share=True,
        by="1.41 registrations a learner: these few would have to take 13 courses on average",
    ),
    excluded(
        "registrations a learner of the whole platform", 189 / 92, _COURSERA, as_share=False,
        by="1.41 registrations a learner: one world has one number",
    ),
    excluded(
        "courses' shares of passes, median", 0.126, _JORDAN, as_share=True,
        by="5.1% certify: a share of all registrations, in other courses than Jordan's",
    ),
)  # fmt: skip
"""A gap is the time of half a day and more between two starts of items of a learner in a course:
without a cycle a quarter of them would lie within three hours of whole days."""
