"""The text that a researcher starts a request from."""

import json
from collections.abc import Iterator
from typing import Final

from schemas.declaration import Family, ViewColumn
from schemas.policy import Policy
from schemas.roles import Role

_SUPPRESSION: Final = 0.05
_ITEM_SUPPRESSION: Final = 0.2


def template(source: str, family: Family, policy: Policy) -> str:
    """A request for as little as can be asked for; all that could be stands in comments.

    Only the researcher's name is missing from what the policy would let pass.

    Args:
        source: its name in the workspace.
        family: what it is.
        policy: what may be asked for.
    """
    # Without enrolments there is no course to keep pseudonyms apart by.
    by_course = "enrolments" in family.views
    scope = "course" if by_course else "release"
    lines = [
        f"# A request for an extract of {_comment(family.title)}.",
        "# Ask for no more than you need: take the # away from what that is. Then",
        "#     kohort request check FILE, kohort request submit FILE",
        f"title = {_text(f'Extract of {source}')}",
        'researcher = ""                # who will hold the package: your address',
        *_recipients(policy),
        f"purpose = {_text(policy.purposes[0] if policy.purposes else '')}",
        f"# the policy admits: {_comment(', '.join(policy.purposes))}",
        f"source = {_text(source)}",
        "",
        "[release]",
        'type = "microdata"',
        'access = "controlled"          # or "public"',
        f'pseudonyms = "{scope}"',
        "#   course: none joins two courses; no value of a learner but quasi-identifiers",
        "#   release: one a learner in this release",
        *_linked(policy),
    ]
    for view in ("learners", "enrolments"):
        lines += ["", *_view(view, family, by_course=by_course)]
    lines += ["", *_options(family)]
    lines += ["", "[release.privacy]", *_privacy(family, policy, by_course=by_course), ""]
    return "\n".join(line.rstrip() for line in lines)


def _recipients(policy: Policy) -> Iterator[str]:
    if "*" not in policy.recipients:
        yield f"# the policy admits: {_comment(', '.join(policy.recipients))}"


def _linked(policy: Policy) -> Iterator[str]:
    if policy.projects:
        yield "#   linked: one a learner in all releases of a project; name it:"
        yield f"# project = {_text(policy.projects[0])}"
        yield f"# the policy admits: {', '.join(policy.projects)}"


def _view(view: str, family: Family, *, by_course: bool) -> Iterator[str]:
    """The columns of a view, one a line; without comment only what no request can do without."""
    if view not in family.views:
        return
    columns = family.views[view].columns
    items = [name for name, column in columns.items() if column.role is Role.ITEM]
    needed = items[:1] if by_course else list(columns)[:1]
    yield f"{view} = ["
    for name, column in columns.items():
        mark = "" if name in needed else "# "
        yield f"    {mark}{_text(name)},  # {_role(name, column, family)}"
    yield "]"
    if len(items) > 1:
        yield f"# one of these, and not two: {_comment(', '.join(items))}"


def _role(name: str, column: ViewColumn, family: Family) -> str:
    special = column.special_category or family.behind(name).special_category
    role = f"{column.role}, special category" if special else column.role
    return f"{role}: {_comment(column.description)}"


def _options(family: Family) -> Iterator[str]:
    if known := _named(family, Role.QUASI_IDENTIFIER):
        yield "# how much a quasi-identifier's detail matters, against 1 for the others:"
        yield f"# weights = {{ {_text(known[0])} = 3 }}"
    yield '# recoding = "local"           # "global" where left out; local: controlled access only'
    yield "# csv = true                   # CSV copies beside Parquet"


def _privacy(family: Family, policy: Policy, *, by_course: bool) -> Iterator[str]:
    special = policy.k.special_category
    least = special if policy.minors else 0
    controlled, public = max(policy.k.controlled, least), max(policy.k.public, least)
    yield f"# k = {controlled}"
    yield f"#   at least {controlled}, so where left out; {public} for public access,"
    yield f"#   {max(special, controlled)} with a column of a special category"
    limit = policy.limits.suppression
    yield f"suppression_limit = {min(_SUPPRESSION, limit)}       # of learners; at most {limit}"
    limit = policy.limits.item_suppression
    mark = "# " if by_course else ""
    yield f"{mark}item_suppression_limit = {min(_ITEM_SUPPRESSION, limit)}"
    yield f"#   of (learner, item) rows, not with pseudonyms = course; at most {limit}"
    if known := _named(family, Role.SENSITIVE):
        most = policy.limits.maximum_share
        yield f"# maximum_share = {{ {_text(known[0])} = {most} }}"
        yield "#   of one value of a sensitive column in a group; left out, this is asked"


def _named(family: Family, role: Role) -> list[str]:
    """The columns of a role; first those that go with every pseudonym scope."""
    views = [family.views[name] for name in ("enrolments", "learners") if name in family.views]
    return [name for view in views for name, c in view.columns.items() if c.role is role]


def _text(value: str) -> str:
    """A TOML string; a request's names are printable, for which JSON writes the same."""
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str) -> str:
    """Fit for a comment: one line, of printable characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
