"""Traits on a command line: values get the types of the store, and what is wrong is said without quoting values."""

from __future__ import annotations

import pytest

from importer.core.schema import DataType, TraitDefinition
from importer.core.trait_arguments import read_traits
from importer.errors import ConfigError

TRAITS = {
    trait.ref: trait
    for trait in (
        TraitDefinition("Contact", "name", DataType.STRING),
        TraitDefinition("A.b-c", "points", DataType.NUMBER),
        TraitDefinition("Contact", "vip", DataType.BOOLEAN),
        TraitDefinition("Contact", "tags", DataType.ARRAY),
    )
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Contact.name=", ""),
        ("Contact.name=a=b", "a=b"),
        ("Contact.name=12", "12"),
        ("Contact.name=" + "x" * 1024, "x" * 1024),
        ("A.b-c.points=+7", 7),
        ("A.b-c.points=-2147483648", -2147483648),
        ("Contact.vip=False", False),
        ("Contact.tags=[]", []),
        ('Contact.tags=["a", 1, true]', ["a", 1, True]),
    ],
)
def test_a_value_has_the_type_of_its_trait(text: str, value: object) -> None:
    """What follows the first equals sign is the value, whatever is in it."""
    ((_, named),) = read_traits([text], [], TRAITS).items()
    assert list(named.values()) == [value]
    assert type(next(iter(named.values()))) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "A.b-c.points=canary",
        "A.b-c.points=1.5",
        "A.b-c.points=",
        "A.b-c.points=2147483648",
        "A.b-c.points=\u0663",
        "Contact.vip=canary",
        "Contact.tags=canary",
        'Contact.tags={"canary": 1}',
        "Contact.tags=[[1]]",
        "Contact.tags=[1.5]",
        f"Contact.tags={[1] * 101}",
        "Contact.name=" + "canary" * 171,
        "canary@example.com",
        "canary@example.com=Contact.name",
    ],
)
def test_what_is_no_value_of_the_type_is_refused_unquoted(text: str) -> None:
    """The trait and what it takes are named."""
    with pytest.raises(ConfigError) as caught:
        read_traits([text], [], TRAITS)
    assert "canary" not in caught.value.message + caught.value.hint


def test_traits_are_removed_by_name() -> None:
    """Beside values of others."""
    assert read_traits(["Contact.name=x"], ["Contact.vip"], TRAITS) == {"Contact": {"name": "x", "vip": None}}


def test_every_problem_is_said_at_once() -> None:
    """A trait that is not there, one that is named twice, an argument without a value."""
    with pytest.raises(ConfigError) as caught:
        read_traits(["Contact.nmae=x", "Contact.name=x", "Contact.name=y", "z"], ["Contact.name", "No.such"], TRAITS)
    message = caught.value.message
    assert "Contact.nmae (is it Contact.name?)" in message
    assert message.count("named twice") == 2
    assert "argument 4 has no `=`" in message
    assert "no trait No.such" in message
