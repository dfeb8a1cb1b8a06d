"""What synthetic learners and courses are made of: shares of values, and pools of invented text.

Shares follow published figures where there are any (HarvardX-MITx year 1, Coursera 2021); the rest
is plausible, not measured.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl
from faker import Faker

Shares = Mapping[str, float]

COUNTRIES: Final[Shares] = {
    "US": 0.20, "IN": 0.15, "MX": 0.05, "BR": 0.045, "CN": 0.04, "GB": 0.04, "CA": 0.03,
    "RU": 0.03, "CO": 0.025, "DE": 0.025, "EG": 0.02, "ES": 0.02, "FR": 0.02, "NG": 0.02,
    "PH": 0.02, "VN": 0.02, "AU": 0.015, "ID": 0.015, "IT": 0.015, "PK": 0.015, "TR": 0.015,
    "UA": 0.015, "AR": 0.01, "BD": 0.01, "CL": 0.01, "KE": 0.01, "KR": 0.01, "NL": 0.01,
    "PE": 0.01, "PL": 0.01, "SA": 0.01, "SG": 0.01, "JP": 0.008, "MY": 0.008, "PT": 0.006,
    "SE": 0.005, "CH": 0.004, "GH": 0.004, "NZ": 0.003, "IE": 0.003, "RS": 0.002, "UY": 0.002,
    "FJ": 0.0005, "IS": 0.0005,
}  # fmt: skip
"""Country -> share. The last few have a learner or two in a small world."""

LANGUAGES: Final[Mapping[str, str]] = {
    "MX": "es-MX", "CO": "es-CO", "ES": "es-ES", "AR": "es-AR", "CL": "es-CL", "PE": "es-PE",
    "UY": "es-UY", "BR": "pt-BR", "PT": "pt-PT", "CN": "zh-CN", "RU": "ru-RU", "UA": "uk-UA",
    "DE": "de-DE", "CH": "de-CH", "FR": "fr-FR", "IT": "it-IT", "TR": "tr-TR", "VN": "vi-VN",
    "EG": "ar-EG", "SA": "ar-SA", "KR": "ko-KR", "JP": "ja-JP", "PL": "pl-PL", "ID": "id-ID",
    "GB": "en-GB",
}  # fmt: skip
"""Country -> language of the browser; English where it is not named."""

DEFAULT_LANGUAGE: Final = "en-US"

REGIONS: Final[Shares] = {"CA": 0.3, "NY": 0.2, "TX": 0.2, "FL": 0.15, "MA": 0.1, "WY": 0.05}
"""Region -> share, for whatever country: codes mean nothing without theirs."""

GENDERS: Final[Shares] = {"male": 0.71, "female": 0.29}

EDUCATION: Final[Shares] = {
    "LESS_THAN_HIGH_SCHOOL_DIPLOMA": 0.06,
    "HIGH_SCHOOL_DIPLOMA": 0.27,
    "COLLEGE_NO_DEGREE": 0.07,
    "ASSOCIATE_DEGREE": 0.05,
    "BACHELOR_DEGREE": 0.31,
    "MASTERS_DEGREE": 0.18,
    "PROFESSIONAL_DEGREE": 0.03,
    "DOCTORATE_DEGREE": 0.03,
}

EMPLOYMENT: Final[Shares] = {
    "EMPLOYED_FULL_TIME": 0.55,
    "EMPLOYED_PART_TIME": 0.12,
    "SELF_EMPLOYED_FULL_TIME": 0.08,
    "UNEMPLOYED_LOOKING_FOR_WORK": 0.18,
    "UNEMPLOYED_NOT_LOOKING_FOR_WORK": 0.05,
    "RETIRED": 0.02,
}

STUDENT: Final[Shares] = {
    "NOT_DEGREE_STUDENT": 0.65,
    "FULL_TIME_DEGREE_STUDENT": 0.28,
    "PART_TIME_DEGREE_STUDENT": 0.07,
}

LEVELS: Final[Shares] = {"BEGINNER": 0.55, "INTERMEDIATE": 0.35, "ADVANCED": 0.1}


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


def phrases(count: int, *, seed: int) -> Sequence[str]:
    """Invented titles, such as courses and lessons have; may repeat."""
    faker = Faker("en_US")
    faker.seed_instance(seed)
    return [faker.catch_phrase() for _ in range(count)]
