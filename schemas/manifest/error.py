"""The refusal of a text, or of a value, that no package of this format can mean."""

from collections.abc import Sequence


class ManifestError(ValueError):
    """A text that is not a manifest, or not an approval, of this format.

    Attributes:
        key: the dotted JSON key it stands at; empty for the whole text.
        expected: what should stand there. Never a value of the text.
    """

    def __init__(self, key: str, expected: str) -> None:
        self.key = key
        self.expected = expected
        super().__init__(f"{key}: {expected}" if key else expected)


def demand(*rules: tuple[bool, str, str]) -> None:
    """Raise at the first rule that does not hold: (holds, key, what was expected)."""
    for holds, key, expected in rules:
        if not holds:
            raise ManifestError(key, f"expected {expected}")


def one_of(names: Sequence[str]) -> str:
    """What was expected, where it is one of these names."""
    return f"one of {', '.join(names)}"
