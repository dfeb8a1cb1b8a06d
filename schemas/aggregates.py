"""What the policy makes of an aggregate request: every bound filled in, and all violations at once.

Nothing here reads a row: grids, bounds and clamps come from the request, the policy, the family's
declaration and the steward's catalogue.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from schemas.catalogue import Catalogue
from schemas.declaration import Family
from schemas.policy import Contributions, Policy
from schemas.queries import Events, Mean, Quantiles, Query, Sum
from schemas.query_rules import QueryRules, discovers, own_attributes
from schemas.request import AggregateRequest, ExtractRequest
from schemas.sharing import sharing
from schemas.spending import Spend, shares
from schemas.violations import SchemaError, Violation

_PROMISING: Final = re.compile(
    "[=<>~\u2248\u2264\u2265\u03b1-\u03c9\u03f5]|epsilon|anonym|differential|private|zcdp|"
    "learner counts|noisy-max|a learner changes|unit of privacy|adjacency|"
    "this release is|its cost adds|the error that is told|are invented|"
    r"(?<![^\W_])(eps(is|of|equals)|(eps|rho|delta|dp|k|kis|kof)(?![^\W_]))",
    re.IGNORECASE,
)
"""What a promise may be taken from: the checker looks for promises in all that a package says.

An underscore divides words there, as do other marks of Markdown.
"""


@dataclass(frozen=True, slots=True)
class QueryTerms:
    """A query with every default filled in.

    Attributes:
        query: what is asked.
        micro: what it may spend: millionths of the release's kind.
        cells: in how many cells a learner counts at most; 1 where all keys are his own attributes.
        most: how many of a learner's rows count in a cell; 1 but for events.
        bounds: between which his value is clamped; None where none is.
        delta: of the threshold of discovered keys; 0 for a public grid.
    """

    query: Query
    micro: int
    cells: int
    most: int
    bounds: tuple[float, float] | None
    delta: Fraction


@dataclass(frozen=True, slots=True)
class AggregateTerms:
    """Under which terms a request may be built.

    Attributes:
        kind: what is spent: epsilon, by Laplace noise, or rho, by Gaussian noise.
        queries: one table each, in the order of the request.
    """

    kind: Literal["epsilon", "rho"]
    queries: tuple[QueryTerms, ...]


def authorize_aggregate(
    request: AggregateRequest,
    policy: Policy,
    family: Family,
    catalogue: Catalogue,
    *,
    catalogue_sha256: str,
) -> AggregateTerms:
    """The terms under which an aggregate request may be built, approval and budget left aside.

    Args:
        request: what is asked for.
        policy: what the steward allows.
        family: what the source offers.
        catalogue: what is public of it.
        catalogue_sha256: of all that grids are made of, as it is now.

    Raises:
        SchemaError: the request asks for what the family does not offer or the policy does not
            allow; carries *all* violations.
    """
    release = request.release
    violations = [
        *sharing(request, policy),
        *of_title(request),
        *of_budget(request.release.budget, policy, catalogue),
        *_of_delta(request),
        *of_catalogue(release.catalogue, catalogue_sha256),
    ]
    rules = QueryRules(request, family, catalogue, policy.contributions or Contributions())
    for i, query in enumerate(release.queries):
        found = rules.broken_by(query)
        violations += [Violation(f"release.queries.{i}.{place}", said) for place, said in found]
    parts: Sequence[int] = ()
    try:
        parts = shares(release.budget, release.queries)
    except ValueError as error:
        violations.append(Violation("release.budget", str(error)))
    if violations:
        raise SchemaError("request", violations)
    discovering = sum(discovers(query) for query in release.queries)
    delta = Fraction(repr(release.budget.delta or 0)) / max(1, discovering)
    own = policy.contributions or Contributions()
    return AggregateTerms(
        kind=release.budget.kind,
        queries=tuple(
            _terms(query, micro, family, own, delta=delta if discovers(query) else Fraction(0))
            for query, micro in zip(release.queries, parts, strict=True)
        ),
    )


def _terms(
    query: Query, micro: int, family: Family, own: Contributions, *, delta: Fraction
) -> QueryTerms:
    one_cell = len(own_attributes(query, family)) == len(query.by)
    bounds = None
    if isinstance(query, Sum | Mean | Quantiles):
        bounds = query.bounds or own.bounds.get(query.of)
    most = (query.most or own.events or 1) if isinstance(query, Events) else 1
    cells = 1 if one_cell else query.cells or own.cells or 1
    return QueryTerms(query, micro, cells, most, bounds, delta)


def of_title(request: ExtractRequest) -> Iterator[Violation]:
    """What a title may not say."""
    # It stands in the README, where the checker looks for promises that nobody made: in the text
    # as it looks, without letters of another style, and without those that can't be seen.
    plain = unicodedata.normalize("NFKC", request.title)
    shown = "".join(letter for letter in plain if unicodedata.category(letter) != "Cf")
    if _PROMISING.search(shown):
        yield Violation(
            "title",
            "say what is asked without = < > and words of promises (epsilon, private, k): what is "
            "promised is told beside it",
        )


def of_budget(asked: Spend, policy: Policy, catalogue: Catalogue) -> Iterator[Violation]:
    """What the policy's accounts do not allow, whatever is left in them."""
    budget = policy.budget
    if budget is None:
        yield Violation(
            "release.type",
            "the policy has no budget for differential privacy; have a steward write [budget] with "
            "epsilon_per_family and delta into policy.toml",
        )
    elif catalogue.learners is not None and budget.delta * 10 * catalogue.learners >= 1:
        # One as large would allow to give away all of one learner in ten.
        yield Violation(
            "release.budget",
            f"the policy's delta must be below 1 / (10 x {catalogue.learners:,} learners); have a "
            "steward lower it",
        )
    elif asked.kind == "rho" and budget.regime == "pure":
        yield Violation(
            "release.budget.rho", "the policy's accounts add up epsilons; ask for epsilon"
        )


def of_catalogue(asked: str, now: str) -> Iterator[Violation]:
    """What is public of the source must be what the request names, both by their hashes."""
    if asked != now:
        yield Violation(
            "release.catalogue",
            f"what is public of the source hashes to {now} now: it was changed, or this was "
            "mistyped; see `kohort catalog show`, and ask anew for that",
        )


def _of_delta(request: AggregateRequest) -> Iterator[Violation]:
    release = request.release
    discovering = any(discovers(query) for query in release.queries)
    if discovering != (release.budget.delta is not None):
        yield Violation(
            "release.budget.delta",
            "required where a query discovers its keys, and only there",
        )
