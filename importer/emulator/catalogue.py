"""The stored schema: trait groups and identity settings in the database, and how they change."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import orjson

from importer.emulator import contract, values
from importer.emulator.database import Database
from importer.emulator.problems import Code, Fault, RefusedError, invalid_request
from importer.emulator.schema import (
    DEFAULT_CONFIGS,
    DEFAULT_GROUPS,
    DEFAULT_RULES,
    MAX_GROUP_TRAITS,
    MAX_GROUPS,
    StoreSchema,
)

MAX_ID_TYPES = 15
MAX_TRAIT_NAME_CHARS = 64

Definitions = dict[str, dict[str, Any]]


class TraitGroup(NamedTuple):
    """One stored trait group."""

    position: int
    name: str
    description: str | None
    traits: Definitions
    version: int


class Catalogue:
    """The current schema of the store, compiled; every change replaces it as a whole."""

    def __init__(self, database: Database) -> None:
        self._database = database
        if not database.query("SELECT 1 FROM meta WHERE key = 'identity'"):
            with database.writing_front() as connection:
                _insert_defaults(connection)
        self.reload()

    def reload(self) -> None:
        """Compile the schema anew from what is stored."""
        identity = self.identity()
        groups = {group.name: group.traits for group in self.groups()}
        self.schema = StoreSchema(groups, identity["identifierConfigs"], identity["matchingRules"])

    def identity(self) -> dict[str, Any]:
        """Return the identity resolution settings as the API shows them."""
        ((text,),) = self._database.query("SELECT value FROM meta WHERE key = 'identity'")
        settings: dict[str, Any] = orjson.loads(text)
        return settings

    def groups(self) -> list[TraitGroup]:
        """Return all trait groups, oldest first."""
        rows = self._database.query("SELECT * FROM trait_groups ORDER BY position")
        return [TraitGroup(p, n, d, orjson.loads(t), v) for p, n, d, t, v in rows]

    def find_group(self, name: str) -> TraitGroup | None:
        """Return one trait group, or None."""
        return next((group for group in self.groups() if group.name == name), None)

    def judge_new_group(self, body: Mapping[str, Any]) -> None:
        """Raise the refusal of a trait group that cannot be created."""
        if self.find_group(body["displayName"]):
            raise RefusedError(409, Code.CONFLICT, "the trait group exists already")
        if len(self.groups()) >= MAX_GROUPS:
            raise RefusedError(400, Code.TOO_MANY_GROUPS, f"a store has at most {MAX_GROUPS} trait groups")
        self._judge_traits(body.get("traits", {}), deletable=frozenset())

    def judge_group_patch(self, group: TraitGroup, body: Mapping[str, Any]) -> None:
        """Raise the refusal of a change that a trait group cannot take."""
        changes = body.get("traits", {})
        self._judge_traits(changes, deletable=frozenset(group.traits))
        if len(apply_changes(group.traits, changes)) > MAX_GROUP_TRAITS:
            raise RefusedError(400, Code.TOO_MANY_TRAITS, f"a trait group has at most {MAX_GROUP_TRAITS} traits")

    def _judge_traits(self, traits: Mapping[str, Any], deletable: frozenset[str]) -> None:
        faults = [
            Fault(contract.to_pointer(["traits", name]), reason)
            for name, definition in traits.items()
            if (reason := judge_definition(name, definition, self.schema.rules.keys(), deletable))
        ]
        if faults:
            raise invalid_request(f"a trait definition is not valid: {faults[0].detail}", faults)

    def create_group(self, connection: sqlite3.Connection, body: Mapping[str, Any]) -> None:
        """Store a new trait group; `reload` makes it current."""
        _insert_group(connection, body["displayName"], body.get("description"), body.get("traits", {}))

    def patch_group(self, connection: sqlite3.Connection, name: str, body: Mapping[str, Any]) -> None:
        """Store a change of a trait group; `reload` makes it current."""
        ((traits, description),) = connection.execute(
            "SELECT traits, description FROM trait_groups WHERE name = ?", (name,)
        )
        changed = apply_changes(orjson.loads(traits), body.get("traits", {}))
        connection.execute(
            "UPDATE trait_groups SET traits = ?, description = ?, version = version + 1 WHERE name = ?",
            (orjson.dumps(changed), body.get("description", description), name),
        )

    def seed(self, seed: Mapping[str, Any]) -> list[str]:
        """Add what a seed names and the store lacks; existing definitions are left alone.

        Returns:
            What was added, in words for people.
        """
        seeded = _check_seed(seed)
        added: list[str] = []
        with self._database.writing_front() as connection:
            self._seed_identity(connection, seeded, added)
            for group in seeded["traitGroups"]:
                self._seed_group(connection, group, added)
        if added:
            self.reload()
        return added

    def _seed_identity(self, connection: sqlite3.Connection, seed: Mapping[str, Any], added: list[str]) -> None:
        identity = self.identity()
        configs, rules = identity["identifierConfigs"], identity["matchingRules"]
        known = {config["idType"] for config in configs}
        for config in [*seed["identifierConfigs"], *_implied_configs(seed)]:
            if config["idType"] not in known:
                known.add(config["idType"])
                configs.append(dict(config))
                added.append(f"identifier {config['idType']} ({config.get('normalization', 'trim')})")
        if len(configs) > MAX_ID_TYPES:
            raise ValueError(f"a store has at most {MAX_ID_TYPES} identifier types")
        if not set(seed["matchingRules"]) <= known:
            raise ValueError("a seeded matching rule names no identifier type of the store")
        for rule in [*seed["matchingRules"], *(config["idType"] for config in configs)]:
            if rule not in rules:
                rules.append(rule)
                added.append(f"matching rule {rule}")
        if added:
            identity["version"] += 1
            connection.execute("UPDATE meta SET value = ? WHERE key = 'identity'", (orjson.dumps(identity),))

    def _seed_group(self, connection: sqlite3.Connection, group: Mapping[str, Any], added: list[str]) -> None:
        name, traits = group["displayName"], _without_nulls(group.get("traits", {}))
        existing = self.find_group(name)
        missing = {n: d for n, d in traits.items() if existing is None or n not in existing.traits}
        if len({**missing, **(existing.traits if existing else {})}) > MAX_GROUP_TRAITS:
            raise ValueError(f"trait group {name} would have more than {MAX_GROUP_TRAITS} traits")
        if existing is None:
            added.append(f"trait group {name}")
            _insert_group(connection, name, group.get("description"), missing)
        elif missing:
            self.patch_group(connection, name, {"traits": missing})
        added.extend(f"trait {name}.{trait} ({d['dataType']})" for trait, d in missing.items())


def judge_definition(
    name: str, definition: Mapping[str, Any], id_types: Collection[str | None], deletable: frozenset[str]
) -> str:
    """Return why a trait definition cannot be stored, or an empty string."""
    kind, rule = definition["dataType"], definition.get("validationRule")
    if not 1 <= len(name) <= MAX_TRAIT_NAME_CHARS:
        return f"a trait name has 1 to {MAX_TRAIT_NAME_CHARS} characters"
    if kind == "":
        return "" if name in deletable else "there is no such trait to delete"
    promotion = definition.get("idTypePromotion")
    if promotion is not None and promotion not in id_types:
        return "idTypePromotion names no identifier type of the store"
    if rule and rule["ruleType"] != kind:
        return "ruleType differs from dataType"
    if rule and "pattern" in rule and not values.is_pattern(rule["pattern"]):
        return "the pattern is not a regular expression of the supported kind"
    return ""


def apply_changes(traits: Mapping[str, Any], changes: Mapping[str, Any]) -> Definitions:
    """Return the traits of a group after a PATCH, in which an empty dataType deletes."""
    merged = {**traits, **changes}
    return {name: dict(definition) for name, definition in merged.items() if definition["dataType"]}


def _insert_defaults(connection: sqlite3.Connection) -> None:
    configs = [{"idType": id_type, "normalization": n} for id_type, n in DEFAULT_CONFIGS.items()]
    identity = {"identifierConfigs": configs, "matchingRules": list(DEFAULT_RULES), "version": 1}
    connection.execute("INSERT INTO meta VALUES ('identity', ?)", (orjson.dumps(identity),))
    for name, traits in DEFAULT_GROUPS.items():
        _insert_group(connection, name, None, traits)


def _insert_group(
    connection: sqlite3.Connection, name: str, description: str | None, traits: Mapping[str, Any]
) -> None:
    connection.execute(
        "INSERT INTO trait_groups (name, description, traits, version) VALUES (?, ?, ?, 1)",
        (name, description, orjson.dumps(_without_nulls(traits))),
    )


def _without_nulls(traits: Mapping[str, Any]) -> Definitions:
    return {
        name: {key: value for key, value in definition.items() if value is not None}
        for name, definition in traits.items()
    }


def _implied_configs(seed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A seeded trait may be promoted to an identifier type that nobody configured: it gets the defaults."""
    return [
        {"idType": definition["idTypePromotion"], "normalization": "trim"}
        for group in seed["traitGroups"]
        for definition in group.get("traits", {}).values()
        if definition.get("idTypePromotion")
    ]


def _check_seed(seed: Mapping[str, Any]) -> dict[str, Any]:
    unknown = seed.keys() - {"traitGroups", "identifierConfigs", "matchingRules"}
    if unknown:
        raise ValueError(f"a seed has no member {sorted(unknown)[0]}")
    schemas = contract.load_document()["components"]["schemas"]
    group = contract.compile_schema(schemas["TraitGroupRequest"])
    config = contract.compile_schema(schemas["IdentifierConfig"])
    groups = [{**g, "traits": _without_nulls(g.get("traits", {}))} for g in seed.get("traitGroups", ())]
    for entry in groups:
        if not group.is_valid(entry):
            raise ValueError("a seeded trait group breaks the contract")
        for name, definition in entry["traits"].items():
            any_type = [definition.get("idTypePromotion")]
            if reason := judge_definition(name, definition, any_type, frozenset()):
                raise ValueError(f"seeded trait {entry['displayName']}.{name}: {reason}")
    configs = list(seed.get("identifierConfigs", ()))
    if not all(map(config.is_valid, configs)):
        raise ValueError("a seeded identifier config breaks the contract")
    return {"traitGroups": groups, "identifierConfigs": configs, "matchingRules": list(seed.get("matchingRules", ()))}
