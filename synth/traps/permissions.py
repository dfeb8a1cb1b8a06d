"""Traps about what learners permit: each course has k learners who do, and a crowd who does not."""

from collections.abc import Callable
from typing import Final

from synth.traps.claims import Absent, Overtaken, Present
from synth.traps.expected import Trap
from synth.traps.ground import Ground
from synth.traps.requests import EVERY, MICRODATA
from synth.traps.telling import active, invented, told


def _refusing(
    ground: Ground,
    name: str,
    what: str,
    refuse: Callable[[Ground, list[str]], None] | None = None,
) -> Trap:
    """Some learners, k in number, who permit all, and a crowd whose own records do not."""
    course = ground.course(name)
    permitting, refusing = ground.learners(ground.k), ground.learners(ground.crowd, state=None)
    ground.enrol([*permitting, *refusing], course)
    ground.work(refusing, course)
    if refuse is not None:
        refuse(ground, refusing)
    return Trap(
        name,
        what,
        (
            *told(course, len(permitting)),
            active(course, "2020-03", 0),
            invented(course, len(permitting)),
            Present(MICRODATA, tuple(permitting)),
            Absent(MICRODATA, tuple(refusing)),
        ),
    )


def silent(ground: Ground) -> Trap:
    """No record means no."""
    return _refusing(ground, "silent", "Learners of whom nothing is on record.")


def withdrawn(ground: Ground) -> Trap:
    """A withdrawal reaches every build from then on."""

    def refuse(ground: Ground, learners: list[str]) -> None:
        ground.say(learners, "granted")
        ground.say(learners, "withdrawn", since="2023-11-30T23:59:59Z")

    return _refusing(ground, "withdrawn", "Granted, and withdrawn before the cut-off.", refuse)


def renewed(ground: Ground) -> Trap:
    """A grant that ends nothing lifts no withdrawal, whichever came last."""

    def refuse(ground: Ground, learners: list[str]) -> None:
        ground.say(learners, "withdrawn", since="2021-05-01T00:00:00Z")
        ground.say(learners, "granted", since="2022-05-01T00:00:00Z")

    what = "Withdrawn, and granted later by a record that does not say what it ends."
    return _refusing(ground, "renewed", what, refuse)


def one_course(ground: Ground) -> Trap:
    """Whoever denies one course is not in that one; where courses are linked, in none."""

    def refuse(ground: Ground, learners: list[str]) -> None:
        ground.say(learners, "granted")
        ground.say(learners, "denied", scope="course:trap-one-course")

    return _refusing(ground, "one-course", "Granted, but denied for this very course.", refuse)


def minors(ground: Ground) -> Trap:
    """Under age outranks a grant."""

    def refuse(ground: Ground, learners: list[str]) -> None:
        ground.say(learners, "granted")
        ground.say(learners, "under_age")

    return _refusing(ground, "minors", "Granted by learners who are under age.", refuse)


def between(ground: Ground) -> Trap:
    """What comes in while a build runs, after its cut-off, refuses it; the next one heeds it."""

    def refuse(ground: Ground, learners: list[str]) -> None:
        ground.say(learners, "granted")
        ground.say(learners, "withdrawn", since="2024-06-01T00:00:00Z", late=True)

    what = "Withdrawals that reach the registry between the cut-off of a build and its end."
    trap = _refusing(ground, "between", what, refuse)
    refused = Overtaken(EVERY, "nothing is released")
    return Trap(trap.name, trap.what, (*trap.claims, refused))


def ahead(ground: Ground) -> Trap:
    """A withdrawal that is on record, but starts to hold after the cut-off, does not hold yet."""
    course = ground.course("ahead")
    learners = ground.learners(ground.crowd)
    ground.say(learners, "withdrawn", since="2090-01-01T00:00:00Z")
    ground.enrol(learners, course)
    return Trap(
        "ahead",
        "Withdrawals that start to hold in 2090.",
        (*told(course, ground.crowd), Present(MICRODATA, tuple(learners))),
    )


PERMISSIONS: Final[tuple[Callable[[Ground], Trap], ...]] = (
    silent,
    withdrawn,
    renewed,
    one_course,
    minors,
    between,
    ahead,
)
