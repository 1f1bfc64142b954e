"""What the `identifiers` commands do. Imported only once one really runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from importer.cli.asking import ask
from importer.cli.by_hand import as_document, emit, opened, read_value, show, show_accepted, show_table
from importer.errors import ConfigError
from importer.reports.progress import NoProgress
from importer.reports.wording import counted


def add(given: Mapping[str, Any]) -> None:
    """Add a value."""
    profile_id, id_type = given["profile_id"], given["id_type"]
    with opened(given) as (hand, _):
        value = read_value(given["value"])
        taken = hand.write(lambda: hand.client.identifiers.add(profile_id, id_type, value))
        show_accepted(taken, f"{id_type} of {taken.profile_id}", given, profile_id)


def list_all(given: Mapping[str, Any]) -> None:
    """Print all identifiers of a profile."""
    with opened(given) as (hand, _):
        found = hand.read(lambda: hand.client.identifiers.list(given["profile_id"]))
    if given["as_json"]:
        for each in found:
            emit(as_document(each))
    else:
        show_table(["identifier", "value"], [(each.id_type, value) for each in found for value in each.values])


def get(given: Mapping[str, Any]) -> None:
    """Print the values of one identifier type."""
    with opened(given) as (hand, _):
        found = hand.read(lambda: hand.client.identifiers.get(given["profile_id"], given["id_type"]))
    show(as_document(found), found.values, as_json=given["as_json"])


def replace(given: Mapping[str, Any]) -> None:
    """Put a value in the place of another."""
    profile_id, id_type = given["profile_id"], given["id_type"]
    with opened(given) as (hand, _):
        taken = hand.write(lambda: hand.client.identifiers.replace(profile_id, id_type, given["old"], given["new"]))
        show_accepted(taken, f"{id_type} of {taken.profile_id}", given, profile_id)


def remove(given: Mapping[str, Any]) -> None:
    """Remove an identifier type, after asking."""
    profile_id, id_type = given["profile_id"], given["id_type"]
    with opened(given) as (hand, signals):
        if not given["yes"]:
            held = hand.read(lambda: hand.client.identifiers.get(profile_id, id_type))
            question = f"Remove {counted(len(held.values), f'{id_type} value')} of {profile_id} in {hand.store_id}?"
            if not ask(question, NoProgress(), "--yes", yes=False):
                raise ConfigError("nothing was removed: nobody agreed", hint="give --yes to not be asked")
        signals.begun()
        taken = hand.write(
            lambda: hand.client.identifiers.remove(
                profile_id, id_type, remove_all=given["remove_all"], follow_merged=given["follow_merged"]
            )
        )
        show_accepted(taken, f"removal of {id_type} from {taken.profile_id}", given, profile_id)
