"""What people would write instead, on the same file: `python bench/peers.py PEER SOURCE` prints seconds as JSON.

None of them does all that `validate` does: they cast and check values, normalise e-mails and phones and make the JSON
bodies of 1,000 profiles; they find no shared identifiers and write no report. Phones go by a regular expression, which
says yes to many numbers that are none; `by hand, phonenumbers` and `pandas and pydantic` ask the library, and answer as
`validate` does.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Self

import phonenumbers
from pydantic import AfterValidator, BaseModel, BeforeValidator, EmailStr, Field, model_validator

BODY_ROWS = 1000
EMAIL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*[a-z0-9]")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
CODES = {"US": "1", "GB": "44", "DE": "49", "IN": "91", "JP": "81", "ES": "34", "MX": "52"}
TRUTH = {"yes": True, "y": True, "1": True, "no": False, "n": False, "0": False}
TEXTS = {
    "first_name": "firstName",
    "last_name": "lastName",
    "country": "country",
    "street": "street",
    "city": "city",
    "postal_code": "postalCode",
}


def email_of(text: str) -> str:
    """Return an address as it is stored."""
    text = text.strip().lower()
    if not EMAIL.fullmatch(text):
        raise ValueError("no address")
    return text


def phone_of(text: str, country: str | None) -> str:
    """Return a number as E.164, by its length alone."""
    digits = re.sub(r"[ ()./-]", "", text)
    if not digits.startswith("+"):
        digits = "+" + CODES[country or ""] + digits.removeprefix("0")
    if not re.fullmatch(r"\+[0-9]{9,15}", digits):
        raise ValueError("no number")
    return digits


def exact_phone_of(text: str, country: str | None) -> str:
    """Return a number as E.164, by the library."""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        raise ValueError("no number") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("no number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def european_date(text: str | None) -> date | None:
    """Return a date of which the day comes first."""
    return None if text is None else datetime.strptime(text, "%d/%m/%Y").replace(tzinfo=UTC).date()


Phone = Callable[[str, str | None], str]


def text_of(text: str) -> str:
    """Return a text that may be sent."""
    if CONTROL.search(text) or len(text) > 1024:
        raise ValueError("a text that may not be sent")
    return text


Text = Annotated[str, AfterValidator(text_of)]


def number_of(text: str) -> int:
    """Return a whole number of 32 bits."""
    number = int(text)
    if not -(2**31) <= number < 2**31:
        raise ValueError("out of range")
    return number


def profile_of(row: dict[str, Any], phone: Phone) -> dict[str, Any]:
    """Return a row as the service takes it.

    Raises:
        ValueError, KeyError: a value is none.
    """
    contact: dict[str, Any] = {trait: text_of(row[name]) for name, trait in TEXTS.items() if row[name]}
    if row["email"]:
        contact["email"] = email_of(row["email"])
    if row["mobile"]:
        contact["phone"] = phone(row["mobile"], row["country"])
    if "email" not in contact and "phone" not in contact:
        raise ValueError("no identifier")
    if birth_date := european_date(row["birth_date"] or None):
        contact["birthDate"] = birth_date.isoformat()
    loyalty: dict[str, Any] = {"isSubscribed": TRUTH[row["subscribed"].lower()]}
    if row["points"]:
        loyalty["points"] = number_of(row["points"])
    if row["tier"]:
        loyalty["tier"] = {"vip": "gold"}.get(row["tier"].lower(), row["tier"].lower())
    if row["colours"]:
        loyalty["favoriteColors"] = row["colours"].split("|")
    account = {"signedUpAt": datetime.strptime(row["signed_up"], "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()}
    if row["notes"]:
        account["notes"] = text_of(row["notes"])
    return {"traits": {"Contact": contact, "Loyalty": loyalty, "Account": account}}


def rows_of(source: str) -> Iterator[dict[str, Any]]:
    """Yield rows as the csv module reads them."""
    with Path(source).open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def good_profiles(rows: Iterator[dict[str, Any]], phone: Phone = phone_of) -> Iterator[dict[str, Any]]:
    """Yield the profiles of good rows."""
    for row in rows:
        try:
            yield profile_of(row, phone)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue


@dataclass
class Bodies:
    """What was made: bodies of 1,000 profiles, as text that nobody keeps."""

    profiles: int = 0
    bodies: int = 0
    size_bytes: int = 0

    def add(self, batch: list[dict[str, Any]]) -> None:
        """Make one more."""
        self.profiles += len(batch)
        self.bodies += 1
        self.size_bytes += len(json.dumps({"profiles": batch}, ensure_ascii=False).encode())


def bodies(profiles: Iterator[dict[str, Any]]) -> Bodies:
    """Make the bodies of all profiles."""
    made = Bodies()
    while batch := list(islice(profiles, BODY_ROWS)):
        made.add(batch)
    return made


def by_hand(source: str) -> Work:
    """Read with csv.DictReader, write with json."""
    return lambda: bodies(good_profiles(rows_of(source)))


def by_hand_exact(source: str) -> Work:
    """The same with the phonenumbers library."""
    return lambda: bodies(good_profiles(rows_of(source), exact_phone_of))


def by_pandas(source: str) -> Work:
    """Read with pandas, a pydantic model a row: addresses by pydantic's own type, phones by the library."""
    pandas: Any = import_module("pandas")
    import_module("email_validator")

    class Customer(BaseModel):
        first_name: Text | None
        last_name: Text | None
        email: EmailStr | None
        country: Text | None
        mobile: str | None
        birth_date: Annotated[date, BeforeValidator(european_date)] | None
        street: Text | None
        city: Text | None
        postal_code: Text | None
        points: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None
        tier: str | None
        subscribed: bool
        colours: str | None
        signed_up: date
        notes: Text | None

        @model_validator(mode="after")
        def _identified(self) -> Self:
            if self.mobile is not None:
                self.mobile = exact_phone_of(self.mobile, self.country)
            if self.email is None and self.mobile is None:
                raise ValueError("no identifier")
            return self

        def profile(self) -> dict[str, Any]:
            contact = {trait: getattr(self, name) for name, trait in TEXTS.items()}
            contact |= {"email": self.email and self.email.lower(), "phone": self.mobile}
            contact["birthDate"] = self.birth_date and self.birth_date.isoformat()
            tier = self.tier and self.tier.lower()
            loyalty: dict[str, Any] = {"isSubscribed": self.subscribed, "points": self.points}
            loyalty |= {"tier": "gold" if tier == "vip" else tier}
            loyalty |= {"favoriteColors": self.colours and self.colours.split("|")}
            account = {"signedUpAt": self.signed_up.isoformat(), "notes": self.notes}
            groups = {"Contact": contact, "Loyalty": loyalty, "Account": account}
            return {"traits": {name: _filled(group) for name, group in groups.items()}}

    def profiles() -> Iterator[dict[str, Any]]:
        for _, row in pandas.read_csv(source, dtype=str, keep_default_na=False, na_values=[""]).iterrows():
            try:
                customer = Customer(**{name: None if pandas.isna(value) else value for name, value in row.items()})
            except ValueError:
                continue
            yield customer.profile()

    return lambda: bodies(profiles())


def _filled(group: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if value is not None}


def by_dlt(source: str) -> Work:
    """Run dlt with a custom destination that makes the bodies."""
    dlt: Any = import_module("dlt")

    def work() -> Bodies:
        made = Bodies()

        def take(items: list[dict[str, Any]], table: dict[str, Any]) -> None:
            del table
            made.add([item["profile"] for item in items])

        nowhere = dlt.destination(
            take, name="nowhere", batch_size=BODY_ROWS, loader_file_format="typed-jsonl", naming_convention="direct"
        )
        with tempfile.TemporaryDirectory() as folder:
            pipeline = dlt.pipeline("bench", pipelines_dir=folder, destination=nowhere)
            profiles = ({"profile": profile} for profile in good_profiles(rows_of(source)))
            pipeline.run(dlt.resource(profiles, name="profiles", columns={"profile": {"data_type": "json"}}))
        return made

    return work


Work = Callable[[], Bodies]

PEERS = {
    "by hand": by_hand,
    "by hand, phonenumbers": by_hand_exact,
    "pandas and pydantic": by_pandas,
    "dlt": by_dlt,
}


def main() -> None:
    """Time one of them; 'missing' where it is not installed."""
    peer, source = sys.argv[1:]
    try:
        work = PEERS[peer](source)
    except ImportError as error:
        print(json.dumps({"missing": error.name}))
        return
    started = time.perf_counter()
    made = work()
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "units": made.profiles, "bodies": made.bodies, "bytes": made.size_bytes}))


if __name__ == "__main__":
    main()
