"""What the codes in the tables of the Coursera export mean."""

from typing import Final

import polars as pl

from synth.parts import Part

LECTURE, READING, QUIZ, PEER_REVIEW = 1, 3, 7, 8
"""`course_item_type_id`; the last two are graded."""
NOT_PASSED, PASSED, VERIFIED_PASSED, NOT_PASSABLE = range(4)
"""`course_passing_state_id`; the first three are those of items too."""
STARTED, COMPLETED = 1, 2
"""`course_progress_state_type_id`."""

_NUMBER: Final = pl.Int32()

_PASSING_STATES: Final = pl.DataFrame(
    {
        "course_passing_state_id": [NOT_PASSED, PASSED, VERIFIED_PASSED, NOT_PASSABLE],
        "course_passing_state_desc": ["not passed", "passed", "verified passed", "not passable"],
    },
    schema_overrides={"course_passing_state_id": _NUMBER},
)
_ITEM_PASSING_STATES: Final = pl.DataFrame(
    {
        "course_item_passing_state_id": [NOT_PASSED, PASSED, VERIFIED_PASSED],
        "course_item_passing_state_desc": ["not passed", "passed", "verified passed"],
    },
    schema_overrides={"course_item_passing_state_id": _NUMBER},
)
_PROGRESS_STATES: Final = pl.DataFrame(
    {
        "course_progress_state_type_id": [STARTED, COMPLETED],
        "course_progress_state_type_desc": ["started", "completed"],
    },
    schema_overrides={"course_progress_state_type_id": _NUMBER},
)
_ITEM_TYPES: Final = pl.DataFrame(
    {
        "course_item_type_id": [LECTURE, READING, QUIZ, PEER_REVIEW],
        "course_item_type_desc": ["lecture", "supplement", "exam", "graded peer"],
        "course_item_type_category": ["lecture", "supplement", "quiz", "peer"],
        "course_item_type_graded": [False, False, True, True],
        "global_item_content_type_id": [None, None, None, None],
        "deprecated": [False, False, False, False],
    },
    schema_overrides={
        "course_item_type_id": _NUMBER,
        "global_item_content_type_id": _NUMBER,
    },
)


def code_tables() -> Part:
    """The tables that say so."""
    return {
        "course_item_types": _ITEM_TYPES,
        "course_passing_states": _PASSING_STATES,
        "course_item_passing_states": _ITEM_PASSING_STATES,
        "course_progress_state_types": _PROGRESS_STATES,
    }
