"""The contract is kept as YAML and read as JSON."""

from __future__ import annotations

from importer.emulator.contract import load_document
from tests import contract_copy


def test_the_copy_says_what_the_contract_says() -> None:
    """What the emulator holds requests to is the contract; `python -m tests.contract_copy` makes the copy anew."""
    assert load_document() == contract_copy.contract()


def test_the_copy_is_made_by_its_generator() -> None:
    """Nobody edits the copy."""
    assert contract_copy.COPY.read_bytes() == contract_copy.copy_of(contract_copy.contract())
