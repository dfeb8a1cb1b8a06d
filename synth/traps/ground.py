"""Where traps are planted: rows and rights as they come, in the shape of the Coursera export."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl

from synth.world import LEARNER

_TEXT, _WHOLE, _TIME = pl.String(), pl.Int32(), pl.Datetime("us")
_NUMBER, _BOOLEAN = pl.Float64(), pl.Boolean()

COLUMNS: Final[Mapping[str, Mapping[str, pl.DataType]]] = {
    "users": {
        LEARNER: _TEXT, "user_join_ts": _TIME, "country_cd": _TEXT, "region_cd": _TEXT,
        "profile_language_cd": _TEXT, "browser_language_cd": _TEXT,
        "reported_or_inferred_gender": _TEXT, "employment_status": _TEXT,
        "educational_attainment": _TEXT, "student_status": _TEXT,
    },
    "courses": {
        "course_id": _TEXT, "course_slug": _TEXT, "course_name": _TEXT, "course_launch_ts": _TIME,
        "course_desc": _TEXT, "course_level": _TEXT,
    },
    "course_memberships": {
        LEARNER: _TEXT, "course_id": _TEXT, "course_membership_role": _TEXT,
        "course_membership_ts": _TIME,
    },
    "course_progress": {
        "course_id": _TEXT, "course_item_id": _TEXT, LEARNER: _TEXT,
        "course_progress_state_type_id": _WHOLE, "course_progress_ts": _TIME,
    },
    "course_grades": {
        "course_id": _TEXT, LEARNER: _TEXT, "course_grade_ts": _TIME,
        "course_passing_state_id": _WHOLE, "course_grade_overall_passed_items": _WHOLE,
        "course_grade_overall": _NUMBER,
    },
    "discussion_questions": {
        "discussion_question_id": _TEXT, LEARNER: _TEXT, "discussion_question_title": _TEXT,
        "discussion_question_details": _TEXT, "course_id": _TEXT, "country_cd": _TEXT,
        "discussion_question_created_ts": _TIME,
    },
    "discussion_answers": {
        "discussion_answer_id": _TEXT, LEARNER: _TEXT, "course_id": _TEXT,
        "discussion_answer_content": _TEXT, "discussion_question_id": _TEXT,
        "discussion_answer_created_ts": _TIME,
    },
    "partner_user_ids": {LEARNER: _TEXT, "course_user_id": _TEXT},
    "staff_graded_assignment_submissions": {
        "submitted_by": _WHOLE, "submitted_at": _TIME, "is_draft": _BOOLEAN, "submitter_id": _TEXT,
        "submitter_user": _TEXT, "submitter_team": _TEXT,
    },
    "staff_graded_assignment_submission_evaluations": {
        "evaluated_by": _WHOLE, "evaluated_at": _TIME, "submitter_id": _TEXT,
    },
    "notebook_workspaces": {
        "notebook_workspace_id": _TEXT, "notebook_workspace_created_ts": _TIME, LEARNER: _TEXT,
        "notebook_workspace_owner_email": _TEXT,
    },
    "learner_notes": {LEARNER: _TEXT, "note": _TEXT},
}  # fmt: skip
"""The planted tables and their columns; those of the world itself may have more."""

RIGHTS: Final = (
    "learner_id", "purpose", "scope", "state", "legal_basis", "jurisdiction", "notice_version",
    "effective_from", "effective_to", "source",
)  # fmt: skip
"""The columns of a rights file."""

JOINED: Final = "2019-01-07 08:00:00"
ENROLLED: Final = "2020-02-03 09:00:00"
LEARNT: Final = "2020-03-02 10:00:00"
GRADED: Final = "2020-06-01 12:00:00"
PERMITTED: Final = "2019-01-07T08:00:00Z"

STARTED, COMPLETED = 1, 2
"""What became of an item."""

_STREAM: Final = 0x7EA9
"""Traps draw from a stream of their own: the world is the same with and without them."""

_PROFILE: Final = {
    "country_cd": "US",
    "educational_attainment": "BACHELOR_DEGREE",
    "reported_or_inferred_gender": "male",
    "browser_language_cd": "en-US",
}
"""Of whom nothing else is said: planted learners are one class, however a build recodes."""


class Ground:
    """What has been planted so far. Timestamps are texts until `frames` makes tables of them.

    Attributes:
        k: the class size that traps are planted around.
        crowd: a number of learners that neither k nor noise can hide.
    """

    def __init__(self, *, seed: int, k: int) -> None:
        self.k = k
        self.crowd = 6 * k
        self._rng = np.random.default_rng([_STREAM, seed])
        self._rows: dict[str, list[Mapping[str, object]]] = {name: [] for name in COLUMNS}
        self._said: list[Mapping[str, str]] = []
        self._late: list[Mapping[str, str]] = []
        self._ids: list[str] = []

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids that were made."""
        return tuple(self._ids)

    def new_id(self) -> str:
        """An id of a learner, as the export has them: it occurs nowhere by chance."""
        self._ids.append(self._rng.bytes(20).hex())
        return self._ids[-1]

    def new_number(self) -> int:
        """A plain id of the platform: ten digits, so that it hardly occurs by chance."""
        return int(self._rng.integers(1_900_000_000, 2_100_000_000))

    def row(self, table: str, **cells: object) -> None:
        """Plant a row; columns that are not named are null."""
        assert cells.keys() <= COLUMNS[table].keys(), table
        self._rows[table].append(cells)

    def course(self, name: str, *, title: str | None = None, listed: bool = True) -> str:
        """A course, in the table of courses where it is listed; returns its id."""
        ident = f"trap-{name}"
        if listed:
            self.row(
                "courses",
                course_id=ident,
                course_slug=ident,
                course_name=title or f"On {name.replace('-', ' ')}",
                course_launch_ts=JOINED,
                course_desc="A course of planted learners.",
                course_level="BEGINNER",
            )
        return ident

    def learners(
        self, count: int, *, state: str | None = "granted", profile: bool = True, **attributes: str
    ) -> list[str]:
        """New learners, each with a profile and one record of rights.

        Args:
            count: how many.
            state: what they said of research; None: nothing.
            profile: whether they stand in the table of users.
            **attributes: what differs from other planted learners.
        """
        found = [self.new_id() for _ in range(count)]
        for one in found:
            if profile:
                self.profile(one, **attributes)
            if state is not None:
                self.say([one], state)
        return found

    def profile(self, learner: str, **attributes: str) -> None:
        """A row of `users`."""
        self.row("users", **{LEARNER: learner, "user_join_ts": JOINED, **_PROFILE, **attributes})

    def enrol(
        self, learners: Iterable[str], course: str, *, role: str = "LEARNER", at: str = ENROLLED
    ) -> None:
        """A row of `course_memberships` each."""
        for one in learners:
            self.row(
                "course_memberships",
                **{LEARNER: one},
                course_id=course,
                course_membership_role=role,
                course_membership_ts=at,
            )

    def work(
        self, learners: Iterable[str], course: str, *, item: str = "i0001", at: str = LEARNT
    ) -> None:
        """Each completes one item."""
        for one in learners:
            self.row(
                "course_progress",
                **{LEARNER: one},
                course_id=course,
                course_item_id=item,
                course_progress_state_type_id=COMPLETED,
                course_progress_ts=at,
            )

    def grade(self, learners: Iterable[str], course: str, *, state: int, at: str = GRADED) -> None:
        """A row of `course_grades` each."""
        for one in learners:
            self.row(
                "course_grades",
                **{LEARNER: one},
                course_id=course,
                course_grade_ts=at,
                course_passing_state_id=state,
                course_grade_overall_passed_items=3,
                course_grade_overall=0.75,
            )

    def say(
        self,
        learners: Iterable[str],
        state: str,
        *,
        since: str = PERMITTED,
        scope: str = "*",
        late: bool = False,
    ) -> None:
        """A record of rights each.

        Args:
            learners: ids of any domain.
            state: what they say.
            since: when it starts to hold.
            scope: of what: everything, or one course.
            late: whether the registry learns of it only while a build runs.
        """
        for one in learners:
            said = {
                "learner_id": one,
                "purpose": "research",
                "scope": scope,
                "state": state,
                "legal_basis": "consent",
                "jurisdiction": "*",
                "notice_version": "synthetic-1",
                "effective_from": since,
                "effective_to": "",
                "source": "kohort synth --traps",
            }
            (self._late if late else self._said).append(said)

    def frames(self) -> dict[str, pl.DataFrame]:
        """The planted tables."""
        return {name: _frame(COLUMNS[name], rows) for name, rows in self._rows.items()}

    def rights(self, *, late: bool) -> pl.DataFrame:
        """What was said: text columns in the order of a rights file."""
        said = self._late if late else self._said
        return pl.DataFrame(said, schema=dict.fromkeys(RIGHTS, pl.String))


def _frame(
    columns: Mapping[str, pl.DataType], rows: Sequence[Mapping[str, object]]
) -> pl.DataFrame:
    times = [name for name, kind in columns.items() if kind == _TIME]
    texts = {name: _TEXT if name in times else kind for name, kind in columns.items()}
    cells = {name: [row.get(name) for row in rows] for name in columns}
    return pl.DataFrame(cells, schema=texts).with_columns(
        pl.col(times).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us")
    )
