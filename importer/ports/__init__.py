"""What the use cases ask of the outside world: small protocols and the frozen values that cross them.

Checking and planning are handed a `Source` and the schema that was read, so a dry run holds no object that can write.
"""

from __future__ import annotations

from importer.ports.delivery import Ledger, PartFile, Payloads
from importer.ports.package import HashSpill, PackageAccess, PackageSink, PackageStore
from importer.ports.run import Clock, IssueWriter, Progress, RejectedWriter, StopSignal
from importer.ports.service import (
    Accepted,
    ColumnMapping,
    CreatedImport,
    ImportStatus,
    OperationStatus,
    ProfileReader,
    ProfileRemover,
    ProfileWriter,
    StoredProfile,
    StoreReader,
)
from importer.ports.sources import (
    MALFORMED_SCHEMA,
    Dialect,
    Source,
    SourceChunk,
    SourceDescription,
    SourceFile,
    SourceOptions,
)

__all__ = [
    "MALFORMED_SCHEMA",
    "Accepted",
    "Clock",
    "ColumnMapping",
    "CreatedImport",
    "Dialect",
    "HashSpill",
    "ImportStatus",
    "IssueWriter",
    "Ledger",
    "OperationStatus",
    "PackageAccess",
    "PackageSink",
    "PackageStore",
    "PartFile",
    "Payloads",
    "ProfileReader",
    "ProfileRemover",
    "ProfileWriter",
    "Progress",
    "RejectedWriter",
    "Source",
    "SourceChunk",
    "SourceDescription",
    "SourceFile",
    "SourceOptions",
    "StopSignal",
    "StoreReader",
    "StoredProfile",
]
