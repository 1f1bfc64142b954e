"""A store for generated requests, and its IDs put into them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, Final

import httpx

from importer.emulator import Emulator

PEOPLE: Final = 40
DOOMED: Final = 5
REAL: Final = 0.9
"""Share of the requests that name what exists."""
MAPPINGS: Final = [{"columnName": name, "traitGroup": "Contact", "traitName": name} for name in ("email", "firstName")]


@dataclass(frozen=True)
class KnownIds:
    """Path parameters by name, each with the values that the store knows; and bodies that it takes."""

    paths: dict[str, list[str]]

    def fill(self, case: Any, dice: Random) -> Any:
        """Give a generated request IDs that exist, and now and then a body that means something."""
        operation = case.operation.definition.raw["operationId"]
        if dice.random() < REAL and isinstance(case.path_parameters, dict):
            for name in sorted(case.path_parameters.keys() & self.paths.keys()):
                # A few are there to be deleted; the others stay.
                some = self.paths[name][-DOOMED:] if operation == "DeleteProfile" else self.paths[name]
                case.path_parameters[name] = dice.choice(some)
        body = _make_body(operation, dice)
        if body is not None and dice.random() < REAL / 2:
            case.body = body
            case.media_type = "application/json"
        return case


def _make_body(operation: str, dice: Random) -> Any:
    """Return a body of the operation that is right, or nearly."""
    number = dice.randrange(PEOPLE + 10)
    email, phone = f"p{number}@example.com", f"+1317555{number:04d}"
    traits: dict[str, Any] = {"email": email, "firstName": dice.choice(["A", None, 5, "x" * 1025, ""])}
    if dice.random() < 0.3:
        traits["phone"] = dice.choice([phone, "none", "+1317555" + str(dice.randrange(1000, 9999))])
    profile = {"traits": {dice.choice(["Contact", "Contact", "Nowhere"]): traits}}
    identifier = {"idType": dice.choice(["email", "phone", "chat", "none"]), "value": dice.choice([email, phone, " "])}
    group = {"displayName": dice.choice(["Crm", "Contact", "Other"]), "traits": _make_definitions(dice)}
    match operation:
        case "CreateProfile" | "PatchProfileTraits":
            return profile
        case "UpdateProfilesBulk":
            return {"profiles": [profile] * dice.choice([1, 1, 2])}
        case "CreateProfilesLookup" | "CreateProfileIdentifier":
            return identifier
        case "PatchProfileIdentifier":
            return {"idType": identifier["idType"], "oldValue": email, "newValue": f"p{number + 1}@example.com"}
        case "CreateProfilesImportV2":
            return {"filename": "f.csv", "fileSize": dice.choice([1, 10**8]), "columnMappings": MAPPINGS}
        case "CreateTraitGroup":
            return group
        case "PatchTraitGroup":
            return {"traits": group["traits"]}
    return None


def _make_definitions(dice: Random) -> dict[str, Any]:
    kind = dice.choice(["STRING", "NUMBER", "BOOLEAN", "ARRAY", ""])
    definition: dict[str, Any] = {"dataType": kind}
    if dice.random() < 0.3:
        definition["idTypePromotion"] = dice.choice(["chat", "none"])
    if dice.random() < 0.3:
        definition["validationRule"] = {"ruleType": kind or "STRING", "pattern": dice.choice(["^a+$", "(?=x)", "["])}
    return {f"trait{dice.randrange(30)}": definition}


def seed_store(emulator: Emulator) -> KnownIds:
    """Fill a store: people, two of whom were merged, an import, operations."""
    root = f"/v1/Stores/{emulator.store_id}/Profiles"
    with httpx.Client(base_url=emulator.api_url, auth=("key", "secret")) as client:
        ids = []
        for number in range(PEOPLE):
            contact = {"email": f"p{number}@example.com"} if number else {"phone": "+13175550001"}
            contact["firstName"] = "P"
            ids.append(client.post(root, json={"traits": {"Contact": contact}}).json()["id"])
        both = {"email": "p1@example.com", "phone": "+13175550001"}
        client.post(root, json={"traits": {"Contact": both}})
        task = {"filename": "f.csv", "fileSize": 1, "columnMappings": MAPPINGS}
        made = client.post(f"{root}/Imports", json=task).json()
        group = f"/v1/ControlPlane/Stores/{emulator.store_id}/TraitGroups/Contact"
        changed = client.patch(group, json={"traits": {"city": {"dataType": "STRING"}}})
    emulator.wait_idle()
    return KnownIds(
        {
            "storeId": [emulator.store_id],
            "profileId": ids,
            "importId": [made["importId"]],
            "operationId": [made["operationId"], changed.headers["Operation-Id"]],
            "traitGroupName": ["Contact", "Crm"],
            "idType": ["email", "phone", "chat"],
        }
    )
