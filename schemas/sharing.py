"""Sharing rules: to whom a release may go, whose rows may go there, and how long it may be kept.

An address is matched whatever the case of its letters. Two things are told apart: the
*jurisdiction* under which a permission was recorded, and the *place* where a recipient is. Without
`[transfers]` places play no part. With it the rule is default deny (GDPR Art. 44: no transfer but
under the conditions laid down): rows go to a place only where the row of their own jurisdiction,
or the row `*` where it has none, lists that place or `*`. A jurisdiction within another (`EU-DE`,
`US-CA`) has the row of that one (`EU`, `US`) where it has none of its own. Jurisdictions and places
are compared whatever the case of their letters.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from schemas.request import ExtractRequest, Microdata
from schemas.violations import Violation

if TYPE_CHECKING:  # authorizing calls these rules, so its module can't be imported here
    from schemas.policy import Policy

_ANY: Final = "*"


def sharing(request: ExtractRequest, policy: "Policy") -> Iterator[Violation]:
    """What the policy does not allow of who asks, what for, and what it is linked to."""
    if request.purpose not in policy.purposes:
        allowed = ", ".join(policy.purposes)
        yield Violation("purpose", f"the policy admits: {allowed}")
    if not recipient_admitted(policy, request.researcher):
        yield Violation("researcher", "not among the policy's recipients; ask the steward")
    elif (
        policy.transfers is not None
        and request.release.access == "controlled"
        and place_of(policy, request.researcher) is None
    ):
        yield Violation(
            "researcher",
            "the policy's [places] don't say where this recipient is, and its [transfers] depend "
            "on it; ask the steward",
        )
    project = request.release.project if isinstance(request.release, Microdata) else None
    if project is not None and project not in policy.projects:
        yield Violation(
            "release.project",
            f"the policy links the extracts of: {', '.join(policy.projects) or 'no project'}; "
            "ask the steward",
        )


def recipient_admitted(policy: "Policy", address: str) -> bool:
    """Whether the policy's recipients hold this address, or everybody."""
    return any(_matches(address, pattern) for pattern in policy.recipients)


def place_of(policy: "Policy", address: str) -> str | None:
    """Where a recipient is, by the first pattern of `[places]`; None where none matches."""
    found = (place for pattern, place in policy.places.items() if _matches(address, pattern))
    return next(found, None)


def same_place(policy: "Policy", a: str, b: str) -> bool:
    """Whether what was released to recipient `a` may go to recipient `b`, as far as places go.

    Without `[transfers]` it may; with it, where both are known to be in one place.
    """
    if policy.transfers is None:
        return True
    one, other = place_of(policy, a), place_of(policy, b)
    return one is not None and other is not None and one.casefold() == other.casefold()


def admitted(
    policy: "Policy", researcher: str, jurisdictions: Iterable[str], *, access: str
) -> tuple[str, ...]:
    """Which jurisdictions' permissions admit a release to this recipient.

    Args:
        policy: its `jurisdictions` filter first, its `[transfers]` after them. The filter is by
            name: one that admits `EU` does not admit `EU-DE`, for what a state's own law adds to
            the union's is the steward's to judge, and leaving out is the safe side.
        researcher: to whom the release goes.
        jurisdictions: those that occur in the records on rights; they come back as they stand
            there, for eligibility compares them by letter.
        access: `public` releases go everywhere, so only to where the row lists `*`.

    Returns:
        Sorted, and made for `anonymizer.eligibility`: `*` is among them only where a permission
        holds whatever its jurisdiction, and even where it names none. That a record says `*` of
        itself (it holds everywhere, such as a published data set's) puts none here: eligibility
        admits it always, past every transfer rule.
    """
    named = {name for name in jurisdictions if name != _ANY}
    anywhere = _ANY in policy.jurisdictions
    listed = {name.casefold() for name in policy.jurisdictions}
    kept = {name for name in named if anywhere or name.casefold() in listed}
    if policy.transfers is None:
        return tuple(sorted({*kept, _ANY} if anywhere else kept))
    place = None if access == "public" else place_of(policy, researcher)
    return tuple(sorted(name for name in kept if _may_go(policy.transfers, name, place)))


def _may_go(transfers: Mapping[str, Sequence[str]], jurisdiction: str, place: str | None) -> bool:
    """Whether rows of this jurisdiction may go there; None: to somewhere unknown."""
    name = jurisdiction.casefold()
    rows = [row for own, row in transfers.items() if own.casefold() == name]
    if not rows and "-" in name:
        return _may_go(transfers, name.rpartition("-")[0], place)
    # Two rows whose names differ by case alone both hold.
    return all(
        _ANY in row or (place is not None and place.casefold() in map(str.casefold, row))
        for row in rows or [transfers.get(_ANY, ())]
    )


def expires_on(policy: "Policy", access: str, released_on: date) -> date | None:
    """The last day on which a release may be kept; None: no end.

    A public release has none: what everybody may have copied nobody can be asked to destroy.
    """
    days = policy.retention.days
    return None if days is None or access == "public" else released_on + timedelta(days=days)


def _matches(address: str, pattern: str) -> bool:
    # `a@evil b@uni.example` is no address of the university's, whatever a pattern makes of it.
    is_address = re.fullmatch(r"[^@\s]+@[^@\s]+", address) is not None
    return pattern == _ANY or (is_address and fnmatchcase(address.casefold(), pattern.casefold()))
