"""The parts of a package that people read: README and codebook."""

from collections.abc import Iterator
from fractions import Fraction

from schemas.manifest import (
    ITEM,
    LEARNER_KEY,
    MEASURE,
    QUASI_IDENTIFIER,
    SENSITIVE,
    Closeness,
    DistinctDiversity,
    Diversity,
    EntropyDiversity,
    EqualDistance,
    Field,
    Manifest,
    OrderedDistance,
    Promise,
    Resource,
)
from schemas.roles import MISSING, WITHHELD

_ROLE_TEXT = {
    LEARNER_KEY: "pseudonym",
    QUASI_IDENTIFIER: "quasi-identifier: part of the class",
    ITEM: "item: what the learner took part in",
    SENSITIVE: "sensitive",
    MEASURE: "measure, in bins or as the mean of a group",
}


def readme(manifest: Manifest) -> str:
    """The README: what this is, what it promises in words, what it does not."""
    promise = manifest.promise
    tables = "\n".join(f"- `{r.path}`: {_grain(r)}" for r in manifest.resources)
    return f"""# {manifest.title}

An anonymized learning-analytics extract made by kohort on {manifest.created[:10]}. Rights and
consent were read as of {promise.cut_off}; every learner in it has a recorded permission on one of
these legal bases: {", ".join(promise.legal_bases)}.

{tables}

`codebook.md` explains every column and value; `datapackage.json` says the same to programs.
Every column is text from a closed list. There are no nulls: `{MISSING}` means that the source does
not know, `{WITHHELD}` that the value is withheld. Rows stand in the order of their pseudonyms.
{_csv(manifest)}
```python
import polars as pl
{manifest.resources[0].name} = pl.read_parquet("{manifest.resources[0].path}")
```

## What is promised
The unit is one learner. The attacker knows all quasi-identifiers of the target, that the target is
in the source, and {_knowledge(promise)}. He controls no accounts in the class.

{_promises(manifest)}
Check all of this yourself: `kohort verify .` reads the files as they are and recounts.

## What is not promised
- An attacker who knows measures or results as well as quasi-identifiers is outside the promise:
  within a class a combination of measures may be unique.
- {_inference(manifest)}
- The promise is syntactic: it does not cover what could be inferred from the algorithm's own
  choices.
- The releases that its registry knew of were held against it when it was built, by class and item.
  This package alone can't show that, and releases from elsewhere are outside the promise.
{_elsewhere(promise)}\
- {_access(promise)}

At most {_percent(promise.suppression_limit)} of the learners could be left out for the promise's
sake; {_suppressed(promise.suppressed_share, promise)}. Not counted there: where learners have left
since an earlier release, others may have left with them, so that it is not seen who did.
{_rows_left_out(promise)}{_recoding(promise)}
Figures computed from this extract are about the learners in it.
{history(promise.audit_head)}"""


def codebook(manifest: Manifest) -> str:
    """Every table, column and value."""
    return f"# Codebook: {manifest.title}\n" + "".join(map(table_text, manifest.resources))


def table_text(resource: Resource) -> str:
    """A table of rows about learners: its columns and their values."""
    rows = "".join(_row(field) for field in resource.fields)
    head = "| column | role | meaning | values |\n|---|---|---|---|\n"
    key = ", ".join(resource.primary_key)
    return f"\n## {resource.name}\n{_grain(resource)}. Key: {key}.\n\n{head}{rows}"


def _row(field: Field) -> str:
    values = "; ".join(field.enum) if field.enum else "32 hexadecimal digits"
    cells = (field.name, _ROLE_TEXT[field.role], field.description, values)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _grain(resource: Resource) -> str:
    return "one row a learner" if resource.grain == "learner" else "one row a learner and item"


def _csv(manifest: Manifest) -> str:
    files = [resource.csv_path for resource in manifest.resources if resource.csv_path]
    if not files:
        return ""
    named = ", ".join(f"`{file}`" for file in files)
    return (
        f"The same tables as CSV: {named}. There a cell that a spreadsheet would run as a\n"
        "formula (it starts with `=`, `+`, `-`, `@`, a tab, a return or `'`) has a `'` in front;\n"
        "take it off before use.\n"
    )


def _knowledge(promise: Promise) -> str:
    if promise.item is None:
        return "nothing of what the target took part in, for no item is released"
    if promise.m == "full":
        return "the exact set of its released items"
    return "one item the target took" if promise.m == 1 else f"up to {promise.m} items it took"


def _promises(manifest: Manifest) -> str:
    return "".join(f"- {line}\n" for line in _promise_lines(manifest.promise))


def _promise_lines(promise: Promise) -> Iterator[str]:
    if promise.m == 1:
        yield (
            f"Every class (combination of quasi-identifiers) in every `{promise.item}` is shared "
            f"by at least {promise.k} distinct learners."
        )
        yield "A pseudonym stands for a learner in one item: no key joins two of them."
    else:
        sets = "its exact set" if promise.m == "full" else f"any set of at most {promise.m}"
        what = "" if promise.item is None else f", with {sets} of `{promise.item}` that occurs,"
        yield (
            f"Every class (combination of quasi-identifiers){what} is shared by at least "
            f"{promise.k} distinct learners on the join of all tables."
        )
        yield _reach(promise)
    yield (
        "Every combination of the other values of a row is shared by at least "
        f"{promise.k} learners{'' if promise.item is None else ' of the same item'}."
    )
    for column, share in promise.maximum_share.items():
        values = promise.protected.get(column)
        what = "value" if values is None else f"of the values {_listed(values)}"
        most = f"more than {_percent(share)} of the learners"
        yield f"In no group do {most} share one {what} of `{column}`."
    for column, diversity in promise.diversity.items():
        yield f"Every group shows {_diverse(diversity)} of `{column}`."
    for column, closeness in promise.closeness.items():
        where = "" if promise.item is None else " and item"
        yield (
            f"The values of `{column}` in every group{where} are within {closeness.t} of those of "
            f"everybody released{where}, by the earth mover's distance with {_distance(closeness)}."
        )
    if promise.maximum_share or promise.diversity or promise.closeness:
        yield (
            "A group is a class with what the attacker knows of items. Where a whole item shows "
            f"`{WITHHELD}`, the value is withheld."
        )


def _reach(promise: Promise) -> str:
    if promise.project is None:
        return "A pseudonym stands for a learner in this release, and in no other."
    items = ", with what the attacker knows of its items and of which releases show them"
    bounded = promise.maximum_share or promise.diversity or promise.closeness
    return (
        f"A pseudonym stands for a learner in every release of the project `{promise.project}`, "
        "and in no other release. Joined by it these releases tell more than each alone, so all "
        "that were live when this one was made were counted together: every combination of a "
        f"learner's classes in them, absence included{'' if promise.item is None else items}, is "
        f"shared by at least {promise.k} distinct learners who are in this one. "
        f"{'Bounds on sensitive values hold in these groups too. ' if bounded else ''}"
        "Recount that with `kohort verify . --linked-with OTHER`."
    )


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _diverse(diversity: Diversity) -> str:
    if isinstance(diversity, DistinctDiversity):
        return f"at least {diversity.l} distinct values"
    if isinstance(diversity, EntropyDiversity):
        return f"values of an entropy of at least log {diversity.l}"
    return f"recursively ({diversity.c}, {diversity.l})-diverse values"


def _distance(closeness: Closeness) -> str:
    if isinstance(closeness.distance, EqualDistance):
        return "equal distances"
    if isinstance(closeness.distance, OrderedDistance):
        return "distances along their order"
    return "distances along their hierarchy"


def _inference(manifest: Manifest) -> str:
    promise = manifest.promise
    bounded = {*promise.maximum_share, *promise.diversity, *promise.closeness}
    if not bounded:
        return "Nothing is promised about sensitive values."
    columns = [name for resource in manifest.resources for name in resource.of_role(SENSITIVE)]
    free = tuple(name for name in columns if name not in bounded)
    waived = f" Nothing is promised about the values of {_listed(free)}." if free else ""
    return "Bounds on sensitive values bound what can be inferred; they do not exclude it." + waived


def _elsewhere(promise: Promise) -> str:
    """What the promise says nothing of: rows of linked releases side by side."""
    if promise.project is None:
        return ""
    return (
        f"- Of one learner several releases of the project `{promise.project}` may show measures\n"
        "  and results that are unique together, though in each release they are shared. Bounds\n"
        "  on sensitive values hold in each of them, also for whoever links them, but not for\n"
        "  what two of them show together.\n"
    )


def history(audit_head: str | None) -> str:
    """Where the record of everything that made this release permitted then stood."""
    if audit_head is None:
        return ""
    return (
        "\nWhen this was built, the audit chain of its registry ended in\n"
        f"`{audit_head}`.\n"
        "Whoever keeps that registry shows with `kohort audit verify --head` and these digits\n"
        "that nothing recorded until then was changed or removed since, but for what an entry\n"
        "says that it rewrote.\n"
    )


def _access(promise: Promise) -> str:
    if promise.access == "public":
        return "It may be published; do not try to identify anyone."
    return "It is for controlled access: do not pass it on, and do not try to identify anyone."


def _percent(share: float) -> str:
    """A share as it was written, never rounded down to something that is not true."""
    return f"{float(Fraction(repr(share)) * 100):g}%"


def _suppressed(share: float | None, promise: Promise) -> str:
    if share is None:
        return f"the share is withheld, for fewer than {promise.k} were"
    return f"{share:.0%} were, rounded"


def _rows_left_out(promise: Promise) -> str:
    if promise.pseudonym_scope == "course" or promise.item is None:
        return ""
    return (
        f"Of the rows of those who stayed, {_percent(promise.item_suppression_limit)} at most\n"
        "could be left out, because their items would have told who they are.\n"
    )


def _recoding(promise: Promise) -> str:
    if promise.recoding == "global":
        return "Each quasi-identifier has one level of detail for everybody."
    return (
        "Levels of detail differ by class: a value may stand beside its own ancestors, so count\n"
        "by the coarsest of them."
    )
