"""What synthetic courses are made of: names, languages, and pools of invented text.

Plausible, not measured; what follows published figures stands in the presets.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np
import polars as pl
from faker import Faker

from synth.columns import picked

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

TIMEZONES: Final[Mapping[str, str]] = {
    "IN": "Asia/Kolkata", "MX": "America/Mexico_City", "BR": "America/Sao_Paulo",
    "CN": "Asia/Shanghai", "GB": "Europe/London", "DE": "Europe/Berlin", "FR": "Europe/Paris",
    "ES": "Europe/Madrid", "EG": "Africa/Cairo", "NG": "Africa/Lagos", "PH": "Asia/Manila",
    "AU": "Australia/Sydney", "JP": "Asia/Tokyo", "CO": "America/Bogota",
}  # fmt: skip
"""Country -> time zone of most who live there."""

TIMEZONE: Final = "America/New_York"

AGENTS: Final = (
    ("Windows", "Chrome", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0 Safari/537.36"),
    ("Windows", "Edge", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0 Edg/120.0"),
    ("Windows", "Firefox", "Mozilla/5.0 (Windows NT 10.0; rv:121.0) Gecko/20100101 Firefox/121.0"),
    ("Mac OS X", "Safari", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17.1 Safari"),
    ("Mac OS X", "Chrome", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/120.0 Safari"),
    ("Android", "Chrome", "Mozilla/5.0 (Linux; Android 13) Chrome/120.0 Mobile Safari/537.36"),
    ("iOS", "Safari", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) Mobile Safari/604.1"),
    ("Linux", "Firefox", "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko Firefox/121.0"),
)
"""Operating system, browser, and how the two present themselves."""

CATEGORIES: Final = (
    "data-science", "computer-science", "business", "arts-and-humanities", "life-sciences",
    "social-sciences", "language-learning", "personal-development",
)  # fmt: skip
"""Subjects of courses, by the names that a specialization's primary domain has."""

_TITLES: Final = 1_000
_TEXTS: Final = 250


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


def titles(count: int, rng: np.random.Generator) -> pl.Series:
    """Invented titles, such as courses and lessons have; some repeat."""
    return picked(_titles(), rng.integers(0, _TITLES, count))


def texts(count: int, rng: np.random.Generator) -> pl.Series:
    """Invented texts of one to three sentences, such as people write in forums; some repeat."""
    return picked(_texts(), rng.integers(0, _TEXTS, count))


def slugs(names: pl.Series) -> list[str]:
    """Titles as addresses have them; they end in their row number, so that none repeats."""
    return [f"{re.sub('[^a-z]+', '-', name.lower())}-{n}" for n, name in enumerate(names)]


@cache
def _titles() -> pl.Series:
    faker = _faker()
    return pl.Series([faker.catch_phrase() for _ in range(_TITLES)])


@cache
def _texts() -> pl.Series:
    faker = _faker()
    return pl.Series([faker.paragraph(nb_sentences=2) for _ in range(_TEXTS)])


def _faker() -> Faker:
    """The pools are the same in every world: who draws from them depends on its seed."""
    faker = Faker("en_US")
    faker.seed_instance(0)
    return faker
