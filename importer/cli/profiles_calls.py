"""What the `profiles` commands do, but for deleting. Imported only once one really runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import rich_click as click

from importer.cli.by_hand import (
    as_document,
    one_of,
    opened,
    read_body,
    read_list,
    read_value,
    show,
    show_accepted,
    show_listed,
    show_table,
    value_text,
)
from importer.core.schema import StoreSchema
from importer.core.trait_arguments import Values, read_traits
from importer.errors import ConfigError
from importer.memory_api.paging import MOST_OTHERS, MOST_PROFILES
from importer.memory_api.profiles import TraitEntry
from importer.ports import StoredProfile


def list_profiles(given: Mapping[str, Any]) -> None:
    """Print profile IDs."""
    with opened(given) as (hand, _):
        found = read_list(hand, given, hand.client.profiles.list, MOST_PROFILES)
        show_listed(given, found, lambda each: {"profile_id": each}, lambda each: [each])


def create_profile(given: Mapping[str, Any]) -> None:
    """Create a profile and print its ID."""
    one_of(given, "traits")
    with opened(given) as (hand, _):
        body = read_body(given["json_body"]) if given["json_body"] else None
        traits = _body_traits(body) if body is not None else _new_traits(given, hand.schema())
        made = hand.write(lambda: hand.client.profiles.create(traits))
        shown = (f"{made.profile_id}", "accepted: its traits are applied later" + _request(made.request_id))
        show({"accepted": True, **as_document(made)}, shown, as_json=given["as_json"])


def _new_traits(given: Mapping[str, Any], schema: StoreSchema) -> Values:
    traits = read_traits(given["traits"], (), schema.traits)
    identifiers = [ref for ref, trait in schema.traits.items() if trait.id_type is not None]
    if not any(trait in traits.get(group, {}) for group, _, trait in (ref.rpartition(".") for ref in identifiers)):
        raise ConfigError(
            "a profile needs an identifier to be created",
            hint=f"give one of {', '.join(identifiers) or 'none there is'}",
        )
    return traits


def _body_traits(body: Mapping[str, Any]) -> Values:
    traits = body.get("traits")
    if not isinstance(traits, dict) or body.keys() != {"traits"}:
        raise ConfigError("the body has something else than `traits`", hint='it looks like {"traits": {...}}')
    return traits


def get_profile(given: Mapping[str, Any]) -> None:
    """Print a profile with its values."""
    profile_id = given["profile_id"]
    with opened(given) as (hand, _):
        found = hand.read(lambda: hand.client.profiles.get(profile_id, given["groups"]))
    merged = {"merged_from": profile_id} if found.profile_id != profile_id else {}
    if given["as_json"]:
        show({**as_document(found), **merged}, (), as_json=True)
        return
    show({}, _head(found, merged), as_json=False)
    rows = [
        (f"{group}.{name}", value_text(value))
        for group, values in found.traits.items()
        for name, value in values.items()
    ]
    show_table(["trait", "value"], rows)


def _head(found: StoredProfile, merged: Mapping[str, str]) -> Iterator[str]:
    yield found.profile_id + (f"  created {found.created_at}" if found.created_at else "")
    yield from (f"{earlier} was merged into it" for earlier in merged.values())


def list_traits(given: Mapping[str, Any]) -> None:
    """Print a profile's traits and when they changed."""
    profile_id = given["profile_id"]

    def document(entry: TraitEntry) -> dict[str, object]:
        return {"group": entry.group, "name": entry.name, "value": entry.value, "changed_at": entry.changed_at}

    def cells(entry: TraitEntry) -> list[object]:
        return [f"{entry.group}.{entry.name}", entry.changed_at, value_text(entry.value)]

    with opened(given) as (hand, _):
        found = read_list(hand, given, lambda page: hand.client.profiles.traits(profile_id, page), MOST_OTHERS)
        show_listed(given, found, document, cells, ["trait", "changed", "value"])


def patch_profile(given: Mapping[str, Any]) -> None:
    """Change traits of a profile."""
    one_of(given, "traits", "remove")
    profile_id = given["profile_id"]
    with opened(given) as (hand, _):
        if given["json_body"]:
            traits = _body_traits(read_body(given["json_body"]))
        else:
            traits = read_traits(given["traits"], given["remove"], hand.schema().traits)
        body = orjson.dumps({"traits": traits})
        taken = hand.write(lambda: hand.client.profiles.patch(profile_id, body))
        show_accepted(taken, f"changes of {taken.profile_id}", given, profile_id)


def look_up(given: Mapping[str, Any]) -> None:
    """Print the profiles that hold an identifier."""
    with opened(given) as (hand, _):
        value = read_value(given["value"])
        found = hand.read(lambda: hand.client.profiles.lookup(given["id_type"], value))
    document = {"profile_ids": found.profile_ids, "normalized": found.normalized, "request_id": found.request_id}
    show(document, found.profile_ids, as_json=given["as_json"])
    if not given["as_json"] and not found.profile_ids:
        click.echo(f"no profile holds that {given['id_type']}", err=True)


def _request(request_id: str | None) -> str:
    return f" (request {request_id})" if request_id else ""
