"""A local Conversation Memory service, for runs without an account and for tests.

It shares no code with the importer: it reads its own copy of the API contract, so that one misreading
cannot hide on both sides.
"""

from importer.emulator.database import DatabaseFormatError, EmulatorInUseError
from importer.emulator.server import Emulator, StoreSeed, serve
from importer.emulator.settings import BadProfile, Clash, EmulatorSettings
from importer.emulator.switches import parse_fault

__all__ = [
    "BadProfile",
    "Clash",
    "DatabaseFormatError",
    "Emulator",
    "EmulatorInUseError",
    "EmulatorSettings",
    "StoreSeed",
    "parse_fault",
    "serve",
]
