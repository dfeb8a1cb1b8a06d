"""A statement on rights: what is on record of a learner from when on, in words that mean one thing.

Every way into the registry makes a `Statement`, so that a command and a file are held to the same
rules. What is refused is told by its kind, never by its value.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from anonymizer.eligibility import ANY, State
from pipelines.errors import RightsError

STATES: Final = frozenset(State) - {State.NO_RECORD}
"""What can be stated."""

ENDED: Final = STATES - {State.GRANTED, State.ERASED}
"""What a statement can end: a grant gives way to what restricts, and what is erased stays so."""

_NOTHING: Final = frozenset(
    {"", "NULL", "null", "NaN", "nan", "NaT", "None", "<NA>", "N/A", "#N/A", r"\N"}
)
"""How databases, pandas and spreadsheets write an empty cell."""

ABSENT: Final = _NOTHING | {"NA"}
"""How a file says nothing where it must say something; `NA` alone is also Namibia."""

_EAST_OF_GREENWICH: Final = timedelta(hours=14)
"""A restriction dated by day holds as soon as that day begins anywhere."""

_DAY: Final = len("2026-01-31")
_DATED: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].+)?")
"""Python also reads the digits of a number, such as milliseconds since 1970, as a date."""

_SCOPE: Final = re.compile(r"(?P<kind>[a-z_]+)\s*:\s*(?P<name>.+)")
_NUMBERED: Final = re.compile(r"^(\d+)\.0+$")
_EVERYTHING: Final = frozenset({"*", "all", "any", "every"})
"""Words for everything; only `*` is one: another, meant so, must not pass as a name."""


_TELLING: Final = 5
"""An id of fewer characters also stands in a text by chance."""


class StatementError(RightsError):
    """Why a statement is refused; never holds its values."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody said of a learner's data; empty text is None.

    Attributes:
        state: any but `no_record`.
        purpose: in lower case, or `*`.
        scope: `*` or `kind:name`.
        legal_basis: by name; a grant counts only on one that the policy admits.
        jurisdiction: whose law it was said under.
        notice_version: of the privacy notice that it answers.
        effective_from: when it starts to hold.
        effective_to: when it no longer holds (half-open); None: open.
        ends: the state of earlier statements on the same purpose and scope that hold no longer.
        note: why, in the words of the steward.
        origin: where it came from, in the words of a file.

    Raises:
        StatementError: it says what can't be meant, or what several things can be meant by.
    """

    state: State
    purpose: str
    scope: str
    effective_from: datetime
    legal_basis: str | None = None
    jurisdiction: str | None = None
    notice_version: str | None = None
    effective_to: datetime | None = None
    ends: State | None = None
    note: str | None = None
    origin: str | None = None

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise StatementError("no_record is no statement: it is what there is without one")
        if self.ends is not None and self.ends not in ENDED:
            raise StatementError(f"ends {self.ends}: only a state that restricts can be ended")
        texts = (self.purpose, self.scope, self.legal_basis, self.jurisdiction, self.notice_version,
                 self.note, self.origin)  # fmt: skip
        if not all(text is None or text.isprintable() for text in texts):
            raise StatementError("a text with unseen characters: write it anew, on one line")
        for instant in (self.effective_from, self.effective_to):
            if instant is not None and instant.tzinfo is None:
                raise StatementError("an instant without a time zone")
        if self.effective_to is not None and self.effective_to <= self.effective_from:
            raise StatementError("effective_to not after effective_from")
        object.__setattr__(self, "purpose", _purpose(self.purpose))
        object.__setattr__(self, "scope", _scope(self.scope))
        whole = self.purpose == self.scope == ANY and self.effective_to is None
        if self.state is State.ERASED and not whole:
            raise StatementError("erased in part: write * for purpose and scope, and no end")


def read_statement(cells: Mapping[str, str]) -> Statement:
    """The statement of a file's line or of a command's options.

    Args:
        cells: text without blanks around it, empty where nothing is said: `purpose`, `scope`,
            `state`, `legal_basis`, `jurisdiction`, `notice_version`, `effective_from`,
            `effective_to`, `ends`, `note` and `source`. A restriction that is dated by day
            (`2026-01-31`) holds 14 hours earlier than that day does in UTC: as soon as it begins
            anywhere.

    Raises:
        StatementError: as `Statement`; or a state or an instant is none, or required and absent.
    """
    state = _state(cells["state"], STATES)
    if cells["effective_from"] in ABSENT:
        raise StatementError("no effective_from")
    effective_from = _instant(cells["effective_from"])
    effective_to = _instant(cells["effective_to"]) if cells["effective_to"] else None
    if effective_to is not None and effective_to <= effective_from:
        raise StatementError("effective_to not after effective_from")
    if state is not State.GRANTED and len(cells["effective_from"]) <= _DAY:
        with suppress(OverflowError):  # the year 1
            effective_from -= _EAST_OF_GREENWICH
    return Statement(
        state=state,
        purpose=cells["purpose"],
        scope=cells["scope"],
        effective_from=effective_from,
        legal_basis=_said(cells["legal_basis"]),
        jurisdiction=_said(cells["jurisdiction"]),
        notice_version=_said(cells["notice_version"]),
        effective_to=effective_to,
        ends=_state(cells["ends"], ENDED, what="ends") if cells["ends"] else None,
        note=_said(cells["note"]),
        origin=_said(cells["source"]),
    )


def _said(text: str) -> str | None:
    return None if text in _NOTHING else text


def _state(text: str, known: frozenset[State], *, what: str = "state") -> State:
    if text not in known:
        raise StatementError(f"unknown {what}: expected one of {', '.join(sorted(known))}")
    return State(text)


def _purpose(text: str) -> str:
    """A purpose, in lower case as everywhere in the registry, or `*`."""
    if text in ABSENT:
        raise StatementError("no purpose")
    if text != ANY and text.casefold() in _EVERYTHING:
        raise StatementError("purpose that means every one: write *")
    return text.casefold()


def _scope(text: str) -> str:
    """`*`, or `kind:name` without blanks around the colon."""
    if text == ANY:
        return text
    found = _SCOPE.fullmatch(text)
    if found is None:
        raise StatementError("unknown scope: expected * or course:ID")
    if found["name"].casefold() in _EVERYTHING:
        raise StatementError("scope that means everything: write *")
    if re.search("[;,]", found["name"]):
        raise StatementError("scope of several names: write one line for each")
    # Tools that know no integer with nulls write the course 14 as 14.0.
    name = _NUMBERED.sub(r"\1", found["name"])
    return f"{found['kind']}:{name}"


def _instant(text: str) -> datetime:
    """An ISO 8601 date (its first instant) or timestamp; UTC where it names no offset."""
    if _DATED.fullmatch(text) is not None:
        with suppress(ValueError, OverflowError):
            read = datetime.fromisoformat(text)
            return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    raise StatementError("unparsable date: expected one like 2026-01-31")


def canonical_id(learner_id: str) -> str:
    """An id without the blanks around it, and `1000` where a tool wrote the number as `1000.0`."""
    stripped = learner_id.strip()
    return _NUMBERED.sub(r"\1", stripped) if "." in stripped else stripped


def names_learner(texts: Iterable[str | None], ids: Iterable[str]) -> bool:
    """Whether one of these texts holds an id of the learner, in whatever case.

    What is written beside a digest must not say whose it is.
    """
    folded = folded_texts(texts)
    return any(stands_in(one, folded) for one in ids)


def folded_texts(texts: Iterable[str | None]) -> str:
    """Texts as `stands_in` takes them."""
    return "\n".join(text for text in texts if text is not None).casefold()


def stands_in(learner_id: str, folded: str) -> bool:
    """Whether texts hold an id; one of digits may have zeros before it, but is no part of a number.

    Else the version `v20240501` of a notice would name the learner 40501.
    """
    sought = canonical_id(learner_id).casefold()
    if len(sought) < _TELLING or sought not in folded:
        return False
    return not sought.isdecimal() or bool(re.search(rf"(?<!\d)0*{sought}(?!\d)", folded))
