"""One tree of errors, one exit code a class; messages are one line and hold no learner data.

| exit code | meaning |
|---|---|
| 0 | done; for `verify`: every promise holds |
| 1 | `verify`: a promise is broken; `audit verify`: a link of the chain |
| 2 | wrong usage; for `verify`: not a readable package |
| 3 | the request is refused: by its own schema or by the policy |
| 4 | a source, or its declaration, can't be read as declared |
| 5 | no release under this request: the privacy models can't be met within its limits |
| 6 | the workspace, its policy or its keys are missing or wrong |
| 7 | the registry refuses: a bad rights file, nobody permits, or a state that allows no such step |
| 8 | the output can't be written |
| 9 | a fault of kohort itself |
| 10 | who acts may not do this: no such role, or the same person twice |
"""

from typing import ClassVar, Final

FAULT: Final = 9
"""The exit code of an error that nobody foresaw."""

STAYS_SPENT: Final = "what was charged for it stays spent"
"""What is told of every error that comes after rows were read for a noisy release."""


class KohortError(Exception):
    """Base of everything the command line turns into one line and an exit code."""

    exit_code: ClassVar[int] = 1


class RequestError(KohortError):
    """The request breaks its schema or the policy; the message lists every violation."""

    exit_code = 3


class SourceError(KohortError):
    """A source can't be read as declared."""

    exit_code = 4


class PrivacyError(KohortError):
    """The privacy models can't be met within the request's limits."""

    exit_code = 5


class SettingsError(KohortError):
    """The workspace, its policy or its keys are missing or wrong."""

    exit_code = 6


class RegistryError(KohortError):
    """The workspace's database refuses what is asked of it, or can't be used."""

    exit_code = 7


class RightsError(RegistryError):
    """The rights registry refuses, or permits nobody."""


class RoleError(KohortError):
    """Who acts may not do this."""

    exit_code = 10


class OutputError(KohortError):
    """The output exists already, or can't be written."""

    exit_code = 8
