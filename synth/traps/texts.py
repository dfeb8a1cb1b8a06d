"""Traps about what stands in cells and headers: escapes, names, plain ids, unknown columns."""

from collections.abc import Callable
from typing import Final

from synth.traps.claims import Never, Nowhere, Present, Read, Refused, Warned
from synth.traps.expected import Trap
from synth.traps.ground import ENROLLED, LEARNT, Ground
from synth.traps.requests import COURSES, EVERY, FIGURES, LEARNERS, MICRODATA, PROFILES, TWIN
from synth.traps.telling import told
from synth.world import LEARNER

_ESCAPED: Final = (
    'She said: "No", then \\"No\\" again,\nand C:\\temp\\new; 50% of \tus left \\',
    '"',
    '\\"',
    "\\N",
    "NA",
    'a,"b",c\n"d";e',
    'a""b',
    "one\r\ntwo\rthree\\",
    "Ünïcode — 講義 🎓\n\n'quoted'",
)
"""Texts that a careless reader of delimited files breaks: quotes, backslashes, ends of lines."""

_NAME: Final = "Wilhelmina Featherstonehaugh"
_MAIL: Final = "w.featherstonehaugh@post.example"
_PHONE: Final = "+44 20 7946 0991"
_STAFF_MAIL: Final = "prof.quillfeather@uni.example"


def escapes(ground: Ground) -> Trap:
    """Texts arrive as they were written, and the country NA is Namibia."""
    title = 'On "escapes" \\ a course,\nin \\"two\\" lines'
    course = ground.course("escapes", title=title)
    learners = ground.learners(ground.crowd, country_cd="NA")
    ground.enrol(learners, course)
    reads = [Read("courses", {"course_id": course}, "course_name", title)]
    for number, text in enumerate(_ESCAPED):
        ident = f"trap-question-{number}"
        _ask(ground, ident, learners[0], course, title=text, details=f"{text} {number}")
        key = {"discussion_question_id": ident}
        reads += [
            Read("discussion_questions", key, "discussion_question_title", text),
            Read("discussion_questions", key, "discussion_question_details", f"{text} {number}"),
        ]
    return Trap(
        "escapes",
        "Quotes, backslashes and ends of lines in texts; learners from Namibia, whose code is NA.",
        (
            *told(course, len(learners)),
            Present(MICRODATA, tuple(learners)),
            Never((COURSES,), "enrolments", {"course_id": course}, "country_cd", ("(missing)",)),
            *reads,
        ),
    )


def personal_texts(ground: Ground) -> Trap:
    """People write their names, addresses and numbers into forums: no text of theirs leaves."""
    course = ground.course("personal-texts")
    learners = ground.learners(ground.crowd)
    ground.enrol(learners, course)
    text = f"Hello, I am {_NAME}. Write to {_MAIL} or call {_PHONE}."
    _ask(ground, "trap-question-name", learners[0], course, title=f"Hi from {_NAME}", details=text)
    ground.row(
        "discussion_answers",
        discussion_answer_id="trap-answer-name",
        **{LEARNER: learners[1]},
        course_id=course,
        discussion_answer_content=f"Dear {_NAME}, I am at {_MAIL}, too.",
        discussion_question_id="trap-question-name",
        discussion_answer_created_ts=LEARNT,
    )
    return Trap(
        "personal-texts",
        "A name, an address and a number in the forum.",
        (
            *told(course, len(learners)),
            Present(MICRODATA, tuple(learners)),
            Nowhere(EVERY, (*_NAME.split(), _MAIL, _PHONE, "7946 0991", "trap-question")),
        ),
    )


def unknown_columns(ground: Ground) -> Trap:
    """What nobody declared is told by name and never read, or refuses whoever needs its table."""
    (learner,) = ground.learners(1)
    ground.row(
        "notebook_workspaces",
        notebook_workspace_id="trap-notebook",
        notebook_workspace_created_ts=LEARNT,
        **{LEARNER: learner},
        notebook_workspace_owner_email=_STAFF_MAIL,
    )
    ground.row("learner_notes", **{LEARNER: learner}, note=f"{_NAME} called {_STAFF_MAIL}")
    added = (
        ((COURSES,), "course_grades", "grader_note"),
        ((LEARNERS,), "course_memberships", "invited_by"),
        ((PROFILES,), "users", "full_name"),
        ((FIGURES,), "course_progress", "device_owner"),
        ((TWIN,), "course_grades", "proctor"),
    )
    return Trap(
        "unknown-columns",
        "A column and a table that no declaration knows.",
        (
            Warned(
                "table 'notebook_workspaces': undeclared columns: notebook_workspace_owner_email"
            ),
            Warned("table 'learner_notes': not declared; nothing of it is read"),
            Nowhere(EVERY, (_STAFF_MAIL, "owner_email", "learner_notes")),
            *(
                Refused(of, table, column, f"column '{column}' is not declared")
                for of, table, column in added
            ),
        ),
    )


def plain_ids(ground: Ground) -> Trap:
    """No id of a learner leaves, wherever one stands: in tables of staff, in a name, in a text.

    The last trap to be planted: no id of any planted learner may be anywhere.
    """
    learners = ground.learners(ground.crowd)
    title = f"For {learners[0]} and others"
    course = ground.course("plain-ids", title=title)
    ground.enrol(learners, course)
    _ask(ground, "trap-question-id", learners[0], course, title=learners[1], details=title)
    numbers = [ground.new_number() for _ in learners[: ground.k]]
    for number in numbers:
        ground.row(
            "staff_graded_assignment_submissions",
            submitted_by=number,
            submitted_at=LEARNT,
            is_draft=False,
            submitter_id=f"user~{number}",
            submitter_user=str(number),
        )
        ground.row(
            "staff_graded_assignment_submission_evaluations",
            evaluated_by=numbers[0],
            evaluated_at=ENROLLED,
            submitter_id=f"user~{number}",
        )
    submissions = "submitted_by, submitter_id, submitter_user, submitter_team"
    return Trap(
        "plain-ids",
        "Plain ids of the platform in tables of staff; ids of learners in a course's name and in "
        "the forum.",
        (
            *told(course, len(learners)),
            Present(MICRODATA, tuple(learners)),
            Warned(f"plain ids in this export: {submissions}; never read"),
            Warned("plain ids in this export: evaluated_by, submitter_id; never read"),
            Nowhere(EVERY, (*map(str, numbers), *ground.ids)),
        ),
    )


def _ask(
    ground: Ground, ident: str, learner: str, course: str, *, title: str, details: str
) -> None:
    ground.row(
        "discussion_questions",
        discussion_question_id=ident,
        **{LEARNER: learner},
        discussion_question_title=title,
        discussion_question_details=details,
        course_id=course,
        country_cd="US",
        discussion_question_created_ts=LEARNT,
    )


TEXTS: Final[tuple[Callable[[Ground], Trap], ...]] = (
    escapes,
    personal_texts,
    unknown_columns,
    plain_ids,
)
