"""What synthetic courses are made of: names, languages, and pools of invented text.

Plausible, not measured; what follows published figures stands in the presets.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import numpy as np
import polars as pl
from faker import Faker

Shares = Mapping[str, float]

LANGUAGES: Final[Mapping[str, str]] = {
    "MX": "es-MX", "CO": "es-CO", "ES": "es-ES", "AR": "es-AR", "CL": "es-CL", "PE": "es-PE",
    "UY": "es-UY", "BR": "pt-BR", "PT": "pt-PT", "CN": "zh-CN", "RU": "ru-RU", "UA": "uk-UA",
    "DE": "de-DE", "CH": "de-CH", "FR": "fr-FR", "IT": "it-IT", "TR": "tr-TR", "VN": "vi-VN",
    "EG": "ar-EG", "SA": "ar-SA", "KR": "ko-KR", "JP": "ja-JP", "PL": "pl-PL", "ID": "id-ID",
    "GB": "en-GB",
}  # fmt: skip
"""Country -> language of the browser; English where it is not named."""

DEFAULT_LANGUAGE: Final = "en-US"

LEVELS: Final[Shares] = {"BEGINNER": 0.55, "INTERMEDIATE": 0.35, "ADVANCED": 0.1}

CATEGORIES: Final = (
    "data-science", "computer-science", "business", "arts-and-humanities", "life-sciences",
    "social-sciences", "language-learning", "personal-development",
)  # fmt: skip
"""Subjects of courses, by the names that a specialization's primary domain has."""

_PHRASES: Final = 2_000
_SENTENCES: Final = 500


def draw(rng: np.random.Generator, shares: Shares, size: int, *, missing: float = 0.0) -> pl.Series:
    """Draw values by their shares.

    Args:
        rng: where chance comes from.
        shares: value -> weight; scaled to sum to one.
        size: how many.
        missing: the share of nulls.
    """
    weights = np.array(list(shares.values()))
    codes = rng.choice(len(weights), size=size, p=weights / weights.sum())
    values = pl.Series(list(shares), dtype=pl.String).gather(codes)
    return values.zip_with(
        pl.Series(rng.random(size) >= missing), pl.Series([None], dtype=pl.String)
    )


@cache
def phrases() -> Sequence[str]:
    """Invented titles, such as courses and lessons have; some repeat."""
    faker = _faker()
    return tuple(faker.catch_phrase() for _ in range(_PHRASES))


@cache
def sentences() -> Sequence[str]:
    """Invented texts of one to three sentences, such as people write in forums."""
    faker = _faker()
    return tuple(faker.paragraph(nb_sentences=2) for _ in range(_SENTENCES))


def _faker() -> Faker:
    """The pools are the same in every world: who draws from them depends on its seed."""
    faker = Faker("en_US")
    faker.seed_instance(0)
    return faker
