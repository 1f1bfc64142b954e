"""What the `stores` commands do. Imported only once one really runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from importer.cli.by_hand import as_document, opened, read_list, show, show_listed, show_table
from importer.memory_api.paging import MOST_OTHERS


def list_stores(given: Mapping[str, Any]) -> None:
    """Print the IDs of the account's stores."""
    with opened(given, needs_store=False) as (hand, _):
        found = read_list(hand, given, hand.client.stores.list, MOST_OTHERS)
        show_listed(given, found, lambda store_id: {"store_id": store_id}, lambda store_id: [store_id])


def get_store(given: Mapping[str, Any]) -> None:
    """Print one store."""
    named = given["store_id"]
    with opened(given, needs_store=named is None) as (hand, _):
        store = hand.read(lambda: hand.client.stores.get(named))
    document = as_document(store)
    show(document, (f"{name.replace('_', ' ')}: {value}" for name, value in document.items()), as_json=given["as_json"])


def show_identity(given: Mapping[str, Any]) -> None:
    """Print how a store resolves identities."""
    with opened(given) as (hand, _):
        settings = hand.read(hand.client.stores.identity)
    if given["as_json"]:
        show(as_document(settings), (), as_json=True)
        return
    rank = {id_type: number for number, id_type in enumerate(settings.matching_rules, 1)}
    show_table(
        ["identifier", "priority", "normalisation", "unique", "limit", "matching"],
        [
            [
                config.id_type,
                rank.get(config.id_type, "-"),
                config.normalization.value,
                "yes" if config.enforce_unique else "no",
                f"{config.limit} {config.limit_policy}",
                config.matching_algo,
            ]
            for config in settings.identifiers
        ],
    )
