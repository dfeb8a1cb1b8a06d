"""Ids as a rights file has them: one that a tool has changed is refused, for it matches another."""

import re
import unicodedata
from typing import Final

from pipelines.governance.rights_statement import ABSENT, StatementError, canonical_id

_REWRITTEN: Final = re.compile(
    r"['+].*|\d+\.|\d{1,3}(,\d{3})+(\.\d+)?|\d+(\.\d+)?[eE]\+\d+|\d+\.\d+[eE]\d+"
)
"""A number with an apostrophe, a sign, thousands separators or an exponent. A plain `12e5` may be a
hash, and passes."""

_FRACTION: Final = re.compile(r"\d+\.\d*[1-9]\d*")
_EXACT: Final = 2**53
"""From here on a floating-point number stands for several integers: for several learners."""


def visible_id(text: str) -> str:
    """An id as it stands. One that a tool rewrote, or with unseen characters, matches nobody.

    Raises:
        StatementError: there is none, or it is not as the source has it.
    """
    if text in ABSENT:
        raise StatementError("no learner_id")
    plain = text.isascii()
    if not (plain and text.isprintable()) and any(
        unicodedata.category(character) in {"Cc", "Cf"} for character in text
    ):
        raise StatementError("learner_id with invisible characters")
    if _REWRITTEN.fullmatch(text) or (not plain and any(map(_foreign_digit, text))):
        raise StatementError(
            "learner_id that a spreadsheet rewrote: write the id as the source has it"
        )
    # Sixteen digits already pass what is exact; `int` takes no text of thousands.
    whole = canonical_id(text) if "." in text else ""
    if whole.isdecimal() and (len(whole) > len(str(_EXACT)) or int(whole) >= _EXACT):
        raise StatementError(
            "learner_id too large for a floating-point number: write the id as the source has it"
        )
    return text


def column_id(text: str) -> str:
    """An id of a typed column. A database's text can't be told from its number: neither is 7.5."""
    if _FRACTION.fullmatch(text):
        raise StatementError("learner_id with a fraction: write the id as the source has it")
    return visible_id(text)


def _foreign_digit(character: str) -> bool:
    return character.isdecimal() and not character.isascii()
