"""Checks of the README: it says what the noise promises, and nothing more.

Other texts of the package may not name an epsilon. What words can say otherwise no program knows.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from pipelines.verify.aggregate import CellPackage
from pipelines.verify.outcome import Outcome, outcome, plural
from schemas.manifest import (
    MEAN,
    NOISY_MAX,
    QUANTILES,
    SUM,
    AggregateManifest,
    AggregatePromise,
    Measurement,
    Query,
    Resource,
)

Invented: TypeAlias = Sequence[Resource]
"""What the manifest says of tables of invented learners; none where there are no such tables."""

README_NAME: Final = "README.md"
_UNIT: Final = (
    "Unit of privacy: one learner, with all that the source holds of that learner; which ids are "
    "one learner's is taken as given. Adjacency: with and without one learner."
)
_ERROR: Final = (
    "The error that is told is the noise alone: what contribution bounds, clamps, rounding and "
    "rules for unknown values leave out is not in it."
)
_BULLET: Final = re.compile(r"^\s*[-*]\s+")
_HEADING: Final = re.compile(r"#+\s")
_CODEBOOK: Final = "codebook.md"
_NUMBER: Final = r"(?P<number>[-+]?(?:\d[\d_]*)?(?:\.\d+)?(?:e[-+]?\d+)?)"
_MARKS: Final = r"[\s*_`$;{}()\\]*"
_SIGN: Final = "[=<>\u2264\u2265\u2248~]"
_AMOUNT: Final = re.compile(
    rf"(?P<word>epsilon|\beps|rho|delta|[εϵρδ]){_MARKS}(?:{_SIGN}{_MARKS})+{_NUMBER}",
    re.IGNORECASE,
)
_IN_WORDS: Final = re.compile(
    rf"(?P<word>epsilon|\beps|[εϵ]){_MARKS}(?::|is|of|equals|{_SIGN}){_MARKS}"
    rf"(?:at most|below|about|only|just)?{_MARKS}{_NUMBER}",
    re.IGNORECASE,
)
_PRIVATE: Final = re.compile(r"\d\W{0,3}-\W?(?:differential|DP\b|zCDP)", re.IGNORECASE)
_HIDDEN: Final = re.compile(r"<(?:!--|/?[a-z])", re.IGNORECASE)
_PROMISING: Final = (
    "unit of privacy:",
    "adjacency:",
    "this release is",
    "its cost adds",
    "each learner counts in at most",
    "a learner changes",
    "noisy-max selection",
    "the error that is told",
)
"""What only a line says that is demanded, else there are two of which one is wrong."""

_INVENTING: Final = "are invented:"
"""What only the line about invented learners says."""

_WORDS: Final = {"eps": "epsilon", "ε": "epsilon", "ρ": "rho", "δ": "delta"}  # noqa: RUF001 - Greek
_K: Final = re.compile(r"\bk[\s*_`]*(?:[=≥>]|is\b|of\b)[\s*_`=]*\d", re.IGNORECASE)
_ANONYMOUS: Final = re.compile(r"\d\W{0,3}-\W?anonym", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Words:
    """What a package says in words.

    Attributes:
        manifest: of its tables of cells.
        readme: what stands in the README; None where there is none.
        codebook: what stands in the codebook.
        invented: its tables of invented learners, of which the README says what they come from.
    """

    manifest: AggregateManifest
    readme: str | None
    codebook: str
    invented: Invented = ()

    @classmethod
    def of(cls, package: CellPackage, invented: Invented = ()) -> "Words":
        """The words of a package as it was written."""
        readme, codebook = (_document(package, name) for name in (README_NAME, _CODEBOOK))
        return cls(package.manifest, readme, codebook or "", invented)


def broken_words(words: Words) -> list[str]:
    """What the two checks below would find; they may be asked before a release is paid for."""
    return [
        found.detail for found in (promise_text(words), no_joint_epsilon(words)) if not found.ok
    ]


def promise_text(words: Words) -> Outcome:
    """The README holds each line that the manifest comes to, and no other epsilon, rho or delta.

    Nor has it a second line of the kind, or one that is not shown; and no other text of the package
    names another epsilon.
    """
    text, manifest = words.readme, words.manifest
    if text is None:
        return Outcome(ok=False, detail=f"no {README_NAME}")
    wanted = list(promised_lines(manifest))
    promising = list(_PROMISING)
    if words.invented:
        wanted.append(invented_line(manifest, words.invented))
        promising.append(_INVENTING)
    others = _others(words)
    missing = sum(line not in _lines(text, alone=True) for line in wanted)
    faults = [f"{plural(missing, 'line')} of {len(wanted)} not there"] if missing else []
    said = [*_told(_AMOUNT, text), *_told(_IN_WORDS, text, *others)]
    numbers = sum(found not in _amounts(manifest.promise) for found in said)
    numbers += sum(len(_PRIVATE.findall(_plain(one))) for one in (text, *others))
    if numbers:
        faults.append(f"{plural(numbers, 'other number')} for epsilon, rho or delta")
    rest = _lines(_plain(text)).difference(map(_plain, [*wanted, f"# {manifest.title}"]))
    more = sum(any(start in line.lower() for start in promising) for line in rest)
    if more:
        faults.append(f"{plural(more, 'other line')} like those that the manifest comes to")
    if _HIDDEN.search(text):
        faults.append("HTML, which can hide text")
    return outcome(faults, f"{plural(len(wanted), 'line')} as the manifest has them")


def no_joint_epsilon(words: Words) -> Outcome:
    """The README says that its cost adds up, that microdata have none, and promises no k."""
    text = words.readme
    if text is None:
        return Outcome(ok=False, detail=f"no {README_NAME}")
    faults = []
    if adding_up(words.manifest.promise) not in _lines(text, alone=True):
        faults.append("it does not say what no epsilon is true of")
    # A column may well be called k, and stand in the codebook.
    anonymous = any(_ANONYMOUS.search(_plain(one)) for one in (text, *_others(words)))
    if anonymous or _K.search(_plain(text)):
        faults.append("it promises a k")
    return outcome(faults, "none is claimed with microdata")


def reads_like_a_promise(text: str) -> bool:
    """Whether the checks above take a text, such as a label or a description, for a promise.

    It may be asked before a release is paid for: no package that has such a text would pass.
    """
    plain = _plain(text)
    patterns = (_AMOUNT, _IN_WORDS, _PRIVATE, _ANONYMOUS)
    return any(pattern.search(plain) for pattern in patterns)


def promised_lines(manifest: AggregateManifest) -> Iterator[str]:
    """Every line that the README must hold."""
    yield _UNIT
    yield _cost(manifest.promise)
    yield adding_up(manifest.promise)
    for table in manifest.resources:
        number = table.query.cells
        said = "1 cell" if number == 1 else f"{number} cells"
        yield f"{table.name}: each learner counts in at most {said}."
    queries = {table.name: table.query for table in manifest.resources}
    for one in manifest.promise.measurements:
        if one.table in queries:  # else another check says so
            yield _measured(one, queries[one.table])
    yield _ERROR


def adding_up(promise: AggregatePromise) -> str:
    """What the cost adds to, and what it does not."""
    return (
        f"Its cost adds to that of every other noisy release of the family {promise.family}; "
        "k-anonymous microdata has no such bound, so no epsilon is true of both together."
    )


def invented_line(manifest: AggregateManifest, invented: Invented) -> str:
    """What the README must say of learners who are drawn from a model of these cells."""
    tables = ", ".join(f"`{table.name}`" for table in invented)
    first, last = (f"`{manifest.resources[at].name}`" for at in (0, -1))
    cells = first if first == last else f"{first} to {last}"
    return (
        f"The learners in {tables} {_INVENTING} they were drawn from a model of the noisy figures "
        f"in {cells} alone, so what is true of those figures' privacy is true of them."
    )


def _cost(promise: AggregatePromise) -> str:
    told = _amounts(promise)
    said = ", ".join(f"{word} = {number}" for word, number in told)
    if promise.privacy.micro_epsilon is None:
        return f"This release is delta-approximate rho-zCDP: {said}."
    return f"This release is (epsilon, delta)-differentially private: {said}."


def _amounts(promise: AggregatePromise) -> list[tuple[str, str]]:
    """The only numbers that may follow these words."""
    privacy = promise.privacy
    first = ("rho", millionths(privacy.micro_rho))
    if privacy.micro_epsilon is not None:
        first = ("epsilon", millionths(privacy.micro_epsilon))
    return [first, ("delta", scientific(privacy.atto_delta))]


def millionths(micro: int) -> str:
    """As a decimal without trailing zeros, such as `0.02`."""
    whole, rest = divmod(micro, 10**6)
    return f"{whole}.{rest:06}".rstrip("0").removesuffix(".")


def scientific(atto: int) -> str:
    """1e-18ths in the shortest scientific notation, such as `1.2e-13`, or `0`."""
    if not atto:
        return "0"
    digits = str(atto)
    exponent = len(digits) - 1 - 18
    rest = digits[1:].rstrip("0")
    return f"{digits[0]}{'.' if rest else ''}{rest}e{exponent:+}"


def _measured(one: Measurement, query: Query) -> str:
    draw, start = one.draw, f"{one.table}: {', '.join(one.columns)}:"
    if draw.mechanism == NOISY_MAX:
        return (
            f"{start} noisy-max selection among {query.candidates} values, scale {draw.scale}, "
            f"score sensitivity {draw.linf}, in ten-thousandths of a rank."
        )
    where = ""
    if query.metric == QUANTILES:
        where = f" on the counts of {query.candidates} bins"
    elif one.columns == (MEAN,):
        where = f" on the sum of (value - middle of the bounds), in steps of 1e-{query.decimals}"
    elif query.metric == SUM:
        where = f" on the sum, in steps of 1e-{query.decimals}"
    return (
        f"{start} {draw.mechanism} noise{where}, scale {draw.scale}, "
        f"a learner changes a cell by at most {draw.linf}."
    )


def _document(package: CellPackage, name: str) -> str | None:
    if name not in package.files:
        return None
    return (package.root / name).read_text(encoding="utf-8", errors="replace")


def _others(words: Words) -> list[str]:
    """All other texts that people write for people."""
    manifest = words.manifest
    told = [column.description for table in manifest.resources for column in table.fields]
    told += [column.description for table in words.invented for column in table.fields]
    return [
        words.codebook,
        manifest.title,
        manifest.description,
        *(table.query.nulls or "" for table in manifest.resources),
        *told,
    ]


def _plain(text: str) -> str:
    """The text as it looks: no letters of another style, and none that can't be seen."""
    plain = unicodedata.normalize("NFKC", text)
    return "".join(letter for letter in plain if unicodedata.category(letter) != "Cf")


def _lines(text: str, *, alone: bool = False) -> set[str]:
    """The lines, without the marks of a list.

    Args:
        text: in Markdown.
        alone: only those that no other line belongs to: a line before or behind could turn what it
            says around, or hide it.
    """
    lines = ["", *text.splitlines(), ""]
    found = set()
    for before, line, behind in zip(lines, lines[1:], lines[2:], strict=False):
        starts = _BULLET.match(line) or not before.strip() or _HEADING.match(before)
        ends = not behind.strip() or _BULLET.match(behind)
        if not alone or (starts and ends):
            found.add(_BULLET.sub("", line).strip())
    return found


def _told(pattern: re.Pattern[str], *texts: str) -> Iterator[tuple[str, str]]:
    for text in texts:
        for found in pattern.finditer(_plain(text)):
            word, number = found["word"].lower(), found["number"].lower()
            if any(map(str.isdigit, number)):
                yield _WORDS.get(word, word), number
