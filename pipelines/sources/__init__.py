"""Sources: where raw tables come from, and how they are staged."""

from pipelines.sources.check import SourceReport, TableReport, check_source
from pipelines.sources.families import LoadedFamily, load_family
from pipelines.sources.open import open_source
from pipelines.sources.quarantine import Quarantine, Quarantined, Reason
from pipelines.sources.staging import Staged, StagedTable, stage
from pipelines.sources.tables import RawTable, Reading, Source

__all__ = [
    "LoadedFamily",
    "Quarantine",
    "Quarantined",
    "RawTable",
    "Reading",
    "Reason",
    "Source",
    "SourceReport",
    "Staged",
    "StagedTable",
    "TableReport",
    "check_source",
    "load_family",
    "open_source",
    "stage",
]
