"""Checks of the README: it says what the noise promises, and nothing more."""

import re
from collections.abc import Iterator
from typing import Final

from pipelines.verify.aggregate import CellPackage
from pipelines.verify.outcome import Outcome, outcome, plural
from schemas.manifest import NOISY_MAX, AggregateManifest, AggregatePromise, Measurement

README_NAME: Final = "README.md"
_UNIT: Final = (
    "Unit of privacy: one learner, with all that the source holds of that learner. "
    "Adjacency: with and without one learner."
)
_ERROR: Final = (
    "The error that is told is the noise alone: what contribution bounds, clamps, rounding and "
    "rules for unknown values leave out is not in it."
)
_BULLET: Final = re.compile(r"^\s*[-*]\s+")
_AMOUNT: Final = re.compile(
    r"(?P<word>epsilon|rho|delta|[εϵρδ])[\s*_`]*=[\s*_`]*"
    r"(?P<number>[-+]?(?:\d[\d_]*)?(?:\.\d+)?(?:e[-+]?\d+)?)",
    re.IGNORECASE,
)
_WORDS: Final = {"ε": "epsilon", "ϵ": "epsilon", "ρ": "rho", "δ": "delta"}  # noqa: RUF001 - Greek
_K: Final = re.compile(r"\bk[\s*_`]*[=≥>][\s*_`=]*\d", re.IGNORECASE)


def promise_text(package: CellPackage) -> Outcome:
    """The README holds each line that the manifest comes to, and no other epsilon, rho or delta."""
    text = _readme(package)
    if text is None:
        return Outcome(ok=False, detail=f"no {README_NAME}")
    wanted = list(promised_lines(package.manifest))
    missing = sum(line not in _lines(text) for line in wanted)
    faults = [f"{plural(missing, 'line')} of {len(wanted)} not there"] if missing else []
    others = sum(found not in _amounts(package.promise) for found in _told(text))
    if others:
        faults.append(f"{plural(others, 'other number')} for epsilon, rho or delta")
    return outcome(faults, f"{plural(len(wanted), 'line')} as the manifest has them")


def no_joint_epsilon(package: CellPackage) -> Outcome:
    """The README says that its cost adds up, that microdata have none, and promises no k."""
    text = _readme(package)
    if text is None:
        return Outcome(ok=False, detail=f"no {README_NAME}")
    faults = []
    if adding_up(package.promise) not in _lines(text):
        faults.append("it does not say what no epsilon is true of")
    if _K.search(text):
        faults.append("it promises a k")
    return outcome(faults, "none is claimed with microdata")


def promised_lines(manifest: AggregateManifest) -> Iterator[str]:
    """Every line that the README must hold."""
    yield _UNIT
    yield _cost(manifest.promise)
    yield adding_up(manifest.promise)
    for table in manifest.resources:
        yield f"{table.name}: each learner counts in at most {table.query.cells} cells."
    yield from (_measured(one) for one in manifest.promise.measurements)
    yield _ERROR


def adding_up(promise: AggregatePromise) -> str:
    """What the cost adds to, and what it does not."""
    return (
        f"Its cost adds to that of every other aggregate release of the family {promise.family}; "
        "k-anonymous microdata has no such bound, so no epsilon is true of both together."
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


def _measured(one: Measurement) -> str:
    draw, columns = one.draw, ", ".join(one.columns)
    if draw.mechanism == NOISY_MAX:
        return (
            f"{one.table}: {columns}: noisy-max selection, scale {draw.scale}, "
            f"score sensitivity {draw.linf}."
        )
    return (
        f"{one.table}: {columns}: {draw.mechanism} noise, scale {draw.scale}, "
        f"a learner changes a cell by at most {draw.linf}."
    )


def _readme(package: CellPackage) -> str | None:
    if README_NAME not in package.files:
        return None
    return (package.root / README_NAME).read_text(encoding="utf-8", errors="replace")


def _lines(text: str) -> set[str]:
    """The lines, without the marks of a list."""
    return {_BULLET.sub("", line).strip() for line in text.splitlines()}


def _told(text: str) -> Iterator[tuple[str, str]]:
    for found in _AMOUNT.finditer(text):
        word, number = found["word"].lower(), found["number"].lower()
        if any(map(str.isdigit, number)):
            yield _WORDS.get(word, word), number
