"""The request for a twin of an extract that somebody asks for, or is about to."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import ValidationError

from pipelines.aggregates.public import public_of
from pipelines.errors import RequestError
from pipelines.requested import plan_request, read_request
from pipelines.settings import Workspace
from schemas.aggregates import of_title
from schemas.policy import requested
from schemas.request import MicrodataRequest
from schemas.sensitive import Statistic
from schemas.spending import Spend

_LONGEST_TITLE: Final = 200
_OF: Final = "Twin of: "
_HEAD: Final = 3
"""Lines of comment that each request begins with."""


def twin_of_extract(
    text: str,
    workspace: Workspace,
    *,
    epsilon: float | None,
    rho: float | None,
    levels: Mapping[str, int],
    most_rows: int,
) -> str:
    """The TOML of the request for the twin of an extract.

    Args:
        text: the request for the extract (TOML).
        workspace: what is public of its source.
        epsilon: what the twin costs; or
        rho: the same, by Gaussian noise.
        levels: column -> of its hierarchy; others keep every value.
        most_rows: up to how many rows of a learner are told apart.

    Raises:
        RequestError: the text asks for no microdata, not one of epsilon and rho is given, or the
            twin is one that can't be asked for; the message lists every violation.
        SettingsError: the workspace has no such source, or no catalogue of it.
    """
    extract = read_request(text)
    if not isinstance(extract, MicrodataRequest):
        raise RequestError(
            "release.type: microdata was expected; what has a twin is an extract of rows"
        )
    try:
        budget = Spend(epsilon=epsilon, rho=rho)
    except ValidationError:
        raise RequestError("give --epsilon or --rho, and not both: 0.000001 to 1000") from None
    public = public_of(workspace, extract.source)
    columns = requested(extract, public.family)
    found = twin_request_text(
        extract,
        catalogue=public.sha256(),
        budget=budget,
        levels=levels,
        most_rows=most_rows,
        without=frozenset(n for n, column in columns.items() if column.microaggregate is not None),
    )
    _demand_possible(found, workspace)  # before it is written
    return found


def _demand_possible(text: str, workspace: Workspace) -> None:
    """Refuse a twin that can't be asked for: of a request that nobody has seen yet.

    Raises:
        RequestError: so it is; the message lists every violation.
    """
    try:
        plan_request(read_request(text), workspace)
    except RequestError as error:
        wrong = str(error).removeprefix("request: ")
        raise RequestError(f"this extract can't have such a twin: {wrong}") from None


def twin_request_text(
    extract: MicrodataRequest,
    *,
    catalogue: str,
    budget: Spend,
    levels: Mapping[str, int],
    most_rows: int,
    without: frozenset[str] = frozenset(),
) -> str:
    """The TOML of the twin's request: the extract's columns, scope and access, under a budget.

    Args:
        extract: what it stands in for. Linked pseudonyms become those of a release, for nothing
            links invented learners. Its statistics go along where their columns keep every value.
        catalogue: the SHA-256 of what is public of the source.
        budget: what the twin costs.
        levels: column -> of its hierarchy; others keep every value.
        most_rows: up to how many rows of a learner are told apart.
        without: columns that no twin can have; a comment says so.
    """
    release = extract.release
    kept = release.model_copy(
        update={
            "learners": tuple(name for name in release.learners if name not in without),
            "enrolments": tuple(name for name in release.enrolments if name not in without),
            "statistics": tuple(
                one for one in release.statistics if not {one.column, one.by} & without
            ),
        }
    )
    asked = extract.model_copy(update={"release": kept})
    lines = list(_lines(asked, catalogue, budget, levels, most_rows))
    if without:
        named = ", ".join(sorted(without))
        lines.insert(_HEAD, f"# Without {named}: means have no closed list of values.")
    return "\n".join(lines) + "\n"


def _lines(
    extract: MicrodataRequest,
    catalogue: str,
    budget: Spend,
    levels: Mapping[str, int],
    most_rows: int,
) -> Iterator[str]:
    release = extract.release
    title = f"{_OF}{extract.title}"[:_LONGEST_TITLE].strip()
    twin = extract.model_copy(update={"title": title})
    if any(of_title(twin)):  # words that a package may take for promises
        title = f"{_OF}request {extract.sha256()[:12]}"
    yield "# A synthetic twin: invented learners that stand in for an extract until it is approved."
    yield "# It needs an approval of its own where the policy asks for one, and is charged to the"
    yield "# budget of its family."
    yield f"title = {_text(title)}"
    yield f"researcher = {_text(extract.researcher)}"
    yield f"purpose = {_text(extract.purpose)}"
    yield f"source = {_text(extract.source)}"
    yield ""
    yield "[release]"
    yield 'type = "synthetic"'
    yield f"access = {_text(release.access)}"
    yield f"pseudonyms = {_text('course' if release.pseudonyms == 'course' else 'release')}"
    yield f"catalogue = {_text(catalogue)}"
    if release.learners:
        yield f"learners = {_texts(release.learners)}"
    if release.enrolments:
        yield f"enrolments = {_texts(release.enrolments)}"
    if levels:
        listed = ", ".join(f"{_text(name)} = {level}" for name, level in levels.items())
        yield f"levels = {{ {listed} }}"
    if release.enrolments:
        yield f"most_rows = {most_rows}"
    kept = [one for one in release.statistics if not {one.column, one.by} & levels.keys()]
    if kept:
        yield "statistics = ["
        yield from (f"  {_statistic(one)}," for one in kept)
        yield "]"
    if release.csv:
        yield "csv = true"
    yield ""
    yield "[release.budget]"
    amount = budget.epsilon if budget.kind == "epsilon" else budget.rho
    yield f"{budget.kind} = {amount!r}"


def _statistic(one: Statistic) -> str:
    by = "" if one.by is None else f", by = {_text(one.by)}"
    return f"{{ column = {_text(one.column)}, values = {_texts(one.values)}{by} }}"


def _texts(values: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _text(value: str) -> str:
    """A TOML string; a request's names are printable, for which JSON writes the same."""
    return json.dumps(value, ensure_ascii=False)
