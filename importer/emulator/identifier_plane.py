"""Endpoints of one profile's identifiers. Identifiers and the traits they came from are kept apart."""

from __future__ import annotations

from importer.emulator import profiles
from importer.emulator.backlog import Kind
from importer.emulator.data_plane import accept, find_profile
from importer.emulator.identity import Identifier
from importer.emulator.problems import Code, Fault, RefusedError, invalid_request, not_found
from importer.emulator.service import Call, Reply, Service


def list_identifiers(service: Service, call: Call) -> Reply:
    """GET every identifier type of the profile that has values."""
    _, _, document = find_profile(service, call, write=False, suffix="/Identifiers")
    shown = profiles.show_identifiers(document, service.catalogue.schema.rules)
    return Reply(200, {"identifiers": [{"idType": t, "values": values} for t, values in shown.items()]})


def fetch_identifier(service: Service, call: Call) -> Reply:
    """GET the values of one identifier type."""
    id_type = call.path["idType"]
    _, _, document = find_profile(service, call, write=False, suffix=f"/Identifiers/{id_type}")
    values = profiles.show_identifiers(document, service.catalogue.schema.rules).get(id_type)
    if values is None:
        raise not_found("the identifier")
    return Reply(200, {"idType": id_type, "values": values})


def create_identifier(service: Service, call: Call) -> Reply:
    """POST one more identifier value; it may merge the profile with another."""
    number, _, _ = find_profile(service, call, write=True, suffix="/Identifiers")
    identifier = _normalise(service, call.body["idType"], call.body["value"], "#/value")
    body = {"idType": identifier.id_type, "value": identifier.value}
    return accept(service, call, Kind.ADD_IDENTIFIER, number, body)


def patch_identifier(service: Service, call: Call) -> Reply:
    """PATCH an identifier: replace one value by another that no other profile holds."""
    id_type = call.path["idType"]
    number, _, document = find_profile(service, call, write=True, suffix=f"/Identifiers/{id_type}")
    if call.body["idType"] != id_type:
        raise invalid_request("idType differs from the path", [Fault("#/idType", "differs from the path")])
    old = _normalise(service, id_type, call.body["oldValue"], "#/oldValue")
    new = _normalise(service, id_type, call.body["newValue"], "#/newValue")
    if all(entry[0] != old.value for entry in document["i"].get(id_type, ())):
        raise not_found("the identifier value")
    others = service.database.query(
        "SELECT 1 FROM identifiers WHERE id_type = ? AND value = ? AND number <> ?", (id_type, new.value, number)
    )
    if others and new.unique:
        raise RefusedError(409, Code.CONFLICT, "another profile holds the new value")
    body = {"idType": id_type, "oldValue": old.value, "newValue": new.value}
    return accept(service, call, Kind.REPLACE_IDENTIFIER, number, body)


def delete_identifier(service: Service, call: Call) -> Reply:
    """DELETE an identifier type's value; several values only with `removeAll`."""
    id_type = call.path["idType"]
    number, _, document = find_profile(service, call, write=True, suffix=f"/Identifiers/{id_type}")
    values = document["i"].get(id_type)
    if not values:
        raise not_found("the identifier")
    if len(values) > 1 and not call.query["removeAll"]:
        raise invalid_request("the identifier has several values; removeAll removes them")
    return accept(service, call, Kind.REMOVE_IDENTIFIERS, number, {"idType": id_type})


def _normalise(service: Service, id_type: str, text: str, pointer: str) -> Identifier:
    schema = service.catalogue.schema
    if id_type not in schema.rules:
        raise invalid_request("the identifier type does not exist", [Fault("#/idType", "unknown")])
    identifier = schema.normalise(id_type, text)
    if identifier is None:
        raise invalid_request("the value cannot be normalised", [Fault(pointer, "cannot be normalised")])
    return identifier
