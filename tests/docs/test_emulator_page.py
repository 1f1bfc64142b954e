"""The emulator's page names every fault, every setting of one, every event and every reading."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from importer.emulator import BadProfile, Clash
from importer.emulator.admin import PATH
from importer.emulator.event_log import EventType
from importer.emulator.switches import NAMES, Switch
from tests.support.cli import ROOT

TEXT: Final = (ROOT / "docs" / "emulator.md").read_text(encoding="utf-8")
OWN: Final = {"fault", "effect"}
"""Members of a switch that are no settings of it."""


def test_every_fault_and_setting_is_on_the_page() -> None:
    """Nothing can be switched on that the page does not tell of."""
    settings = [entry.name for entry in fields(Switch) if entry.name not in OWN]
    missing = [name for name in [*NAMES, *settings] if f"`{name}`" not in TEXT]
    assert missing == []
    assert PATH in TEXT


def test_every_event_and_reading_is_on_the_page() -> None:
    """Types of events after their common beginning; values of the options."""
    named = [*EventType, *Clash, *BadProfile]
    assert [str(name) for name in named if str(name) not in TEXT] == []
