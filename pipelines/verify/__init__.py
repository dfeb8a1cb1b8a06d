"""The separate checker: re-reads the written bytes of a package and recomputes every promise.

It shares no code with what writes packages, only the field names of `schemas.manifest`.
"""

from pipelines.verify.aggregate_verification import AggregateVerification
from pipelines.verify.count import CountError, CountResult, count_learners
from pipelines.verify.outcome import Check
from pipelines.verify.package import UnreadablePackageError
from pipelines.verify.promise import Words, broken_words, reads_like_a_promise
from pipelines.verify.synthetic_verification import SyntheticVerification
from pipelines.verify.union import UnionVerification, verify_union
from pipelines.verify.verification import Verification, verify_microdata, verify_package

__all__ = [
    "AggregateVerification",
    "Check",
    "CountError",
    "CountResult",
    "SyntheticVerification",
    "UnionVerification",
    "UnreadablePackageError",
    "Verification",
    "Words",
    "broken_words",
    "count_learners",
    "reads_like_a_promise",
    "verify_microdata",
    "verify_package",
    "verify_union",
]
