"""What the `trait-groups` commands do. Imported only once one really runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from importer.cli.asking import ask
from importer.cli.by_hand import (
    as_document,
    finished_code,
    follow,
    one_of,
    opened,
    operation_lines,
    read_body,
    read_list,
    show,
    show_accepted,
    show_listed,
)
from importer.core.schema import DataType, TraitDefinition
from importer.errors import ConfigError
from importer.memory_api.paging import MOST_OTHERS
from importer.memory_api.trait_groups import TraitGroup
from importer.ports import Accepted
from importer.reports.progress import NoProgress
from importer.reports.wording import counted
from importer.wiring.by_hand import ByHand


def list_groups(given: Mapping[str, Any]) -> None:
    """Print trait groups."""
    with opened(given) as (hand, _):
        listed = hand.client.trait_groups.list
        found = read_list(hand, given, lambda page: listed(page, traits=given["traits"]), MOST_OTHERS)
        head = ["group", "version", "description", *(["traits"] if given["traits"] else [])]
        show_listed(given, found, group_document, lambda group: _cells(group)[: len(head)], head)


def _cells(group: TraitGroup) -> list[object]:
    traits = ", ".join(f"{trait.name} {_kind(trait)}" for trait in group.traits or ())
    return [group.name, group.version, group.description, traits]


def get_group(given: Mapping[str, Any]) -> None:
    """Print one trait group."""
    with opened(given) as (hand, _):
        group = hand.read(lambda: hand.client.trait_groups.get(given["name"]))
    show(group_document(group), _lines(group), as_json=given["as_json"])


def _lines(group: TraitGroup) -> Iterator[str]:
    yield f"{group.name}, version {group.version}" + (f": {group.description}" if group.description else "")
    for trait in group.traits or ():
        rule = as_document(trait.rule) if trait.rule is not None else {}
        shown = "".join(f", {name} {value}" for name, value in rule.items())
        yield f"  {trait.name} {_kind(trait)}{shown}" + (f": {trait.description}" if trait.description else "")


def _kind(trait: TraitDefinition) -> str:
    return trait.data_type.value + (f":{trait.id_type}" if trait.id_type else "")


def group_document(group: TraitGroup) -> dict[str, object]:
    """Return a trait group as JSON, without what is empty."""
    document = as_document(group)
    if group.traits is not None:
        document["traits"] = [
            {name: value for name, value in as_document(trait).items() if name != "group"} for trait in group.traits
        ]
    return document


def create_group(given: Mapping[str, Any]) -> int:
    """Create a trait group; return the exit code."""
    one_of(given, "traits", "description")
    with opened(given) as (hand, _):
        body = {"displayName": given["name"], **_body(given)}
        if body["displayName"] != given["name"]:
            raise ConfigError("--json-body names another group", hint="leave displayName out of it, or name the same")
        taken = hand.write(lambda: hand.client.trait_groups.create(body))
        return _done(hand, taken, f"trait group {given['name']}", given)


def patch_group(given: Mapping[str, Any]) -> int:
    """Change a trait group; return the exit code."""
    one_of(given, "traits", "description", "removed")
    name = given["name"]
    with opened(given) as (hand, signals):
        body = _body(given)
        going = [trait for trait, definition in body.get("traits", {}).items() if _is_removal(definition)]
        if going:
            question = f"Remove {counted(len(going), 'trait')} of {name} from all profiles of {hand.store_id}?"
            if not ask(f"{question} ({', '.join(going)})", NoProgress(), "--yes", yes=given["yes"]):
                raise ConfigError("nothing was changed: nobody agreed", hint="give --yes to not be asked")
        signals.begun()
        match = given["if_match"]
        match = f'"{match.strip(chr(34))}"' if match else hand.read(lambda: hand.client.trait_groups.get(name)).etag
        taken = hand.write(lambda: hand.client.trait_groups.patch(name, body, if_match=match))
        return _done(hand, taken, f"changes of trait group {name}", given)


def _is_removal(definition: object) -> bool:
    return isinstance(definition, dict) and definition.get("dataType") == ""


def _body(given: Mapping[str, Any]) -> dict[str, Any]:
    if given["json_body"]:
        return read_body(given["json_body"])
    traits: dict[str, Any] = _definitions(given["traits"]) | {
        name: {"dataType": ""} for name in given.get("removed", ())
    }
    described = {"description": given["description"]} if given["description"] else {}
    return described | ({"traits": traits} if traits else {})


def _definitions(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    definitions: dict[str, dict[str, str]] = {}
    for text in texts:
        name, _, kind = text.partition("=")
        data_type, _, id_type = kind.partition(":")
        if not name or data_type not in DataType.__members__:
            raise ConfigError(
                f"--trait {text!r} is no definition", hint="it looks like points=NUMBER or mail=STRING:email"
            )
        definitions[name] = {"dataType": data_type, **({"idTypePromotion": id_type} if id_type else {})}
    return definitions


def _done(hand: ByHand, taken: Accepted, what: str, given: Mapping[str, Any]) -> int:
    """Say that a change was accepted, or wait for it and say what came of it."""
    if not given["wait"] or taken.operation_id is None:
        show_accepted(taken, what, given)
        return 0
    operation_id = taken.operation_id
    seen = follow(hand, operation_id, given["timeout_s"])
    document = {"operation_id": operation_id, **as_document(seen)}
    show(document, operation_lines(seen, operation_id), as_json=given["as_json"])
    return finished_code(seen.status)
