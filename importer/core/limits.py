"""Limits of the service, as named constants with unit and source.

Source: the service's API reference and limits page as kept in ``importer/emulator/openapi.yaml`` and the product
documentation, read 2026-11-22.
"""

from __future__ import annotations

from typing import Final

BULK_MAX_PROFILES: Final = 1000
"""Profiles in one Bulk body."""

BULK_MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Size this tool keeps a Bulk body under; the service publishes no figure."""

IMPORT_MAX_FILE_BYTES: Final = 104_857_600
"""Bytes in one import file (100 MiB)."""

IMPORT_MAX_ROWS: Final = 1_000_000
"""Rows in one import file."""

IMPORT_MAX_COLUMNS: Final = 100
"""Column mappings of one import."""

IMPORT_MIN_COLUMNS: Final = 2
"""Column mappings of one import, at least; one of them an identifier."""

STRING_MAX_CHARS: Final = 1024
"""Characters of a STRING, counted here in UTF-16 units: the largest of the possible readings of the limit."""

NUMBER_MIN: Final = -2_147_483_648
NUMBER_MAX: Final = 2_147_483_647
"""A NUMBER is a signed 32-bit integer."""

ARRAY_MAX_ITEMS: Final = 100
"""Items of an ARRAY; arrays do not nest."""

IDENTIFIER_MAX_CHARS: Final = 255
"""Characters of an identifier value."""

ID_TYPE_MIN_CHARS: Final = 2
ID_TYPE_MAX_CHARS: Final = 30
"""Length of an idType's name."""

TRAIT_GROUPS_MAX: Final = 50
"""Trait groups of one store."""

TRAITS_PER_GROUP_MAX: Final = 95
"""Trait definitions of one group."""

NAME_MAX_CHARS: Final = 64
"""Length of a trait group's or a trait's name."""

MIN_VALUES_PER_ROW: Final = 2
"""Non-null values a profile needs; at least one of them an identifier (the service's warehouse connector's rule)."""
