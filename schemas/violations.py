"""One violation a line: where it stands, what was expected, what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule.

    Attributes:
        key: the dotted TOML key it stands at, such as `release.privacy.k`; empty for the file.
        message: what was expected and what to do. Never learner data.
    """

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


class SchemaError(ValueError):
    """A text that does not declare what it should; carries every violation at once."""

    def __init__(self, subject: str, violations: Sequence[Violation]) -> None:
        self.subject = subject
        self.violations = tuple(violations)
        super().__init__(f"{subject}: " + "; ".join(str(v) for v in self.violations))


_MESSAGES = {
    "extra_forbidden": "unknown key; remove it or correct its spelling",
    "missing": "required, but left out",
    "model_type": "a table was expected",
    "dict_type": "a table was expected",
    "tuple_type": "a list was expected",
    "string_type": "text was expected",
    "string_pattern_mismatch": "letters, digits, _ and - only",
    "string_too_short": "some text was expected",
    "float_type": "a number with a point was expected, such as 1.0",
    "int_type": "a whole number was expected",
}


def violations_of(error: ValidationError) -> tuple[Violation, ...]:
    """Translate pydantic's errors; their input values are left behind."""
    return tuple(_violation(detail) for detail in error.errors(include_url=False))


def _violation(detail: Any) -> Violation:
    key = ".".join(str(part) for part in detail["loc"])
    message = _MESSAGES.get(detail["type"], str(detail["msg"]).removeprefix("Value error, "))
    return Violation(key, message)
