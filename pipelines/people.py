"""Who acts, and in which role."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pipelines.errors import RoleError


class Duty(StrEnum):
    """What a person may be in a workspace."""

    RESEARCHER = "researcher"
    STEWARD = "steward"
    ENGINEER = "engineer"


EVERY_DUTY: Final = frozenset(Duty)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who runs a command.

    Attributes:
        name: the address given with `--as`, or the login; lower case.
        login: the account of the operating system.
        duties: what the workspace's settings say that this person is.
    """

    name: str
    login: str
    duties: frozenset[Duty]

    def must_be(self, *duties: Duty) -> None:
        """Refuse whoever is none of these.

        Raises:
            RoleError: the settings give this person none of the duties.
        """
        if self.duties.isdisjoint(duties):
            wanted = " or ".join(duties)
            raise RoleError(
                f"{self.name} is no {wanted} here; act as one with --as, or have [people] in "
                "kohort.toml name you"
            )
