"""What people would write instead, on the same file: `python bench/peers.py PEER SOURCE` prints seconds as JSON.

None of them does all that `validate` does: they cast and check values, normalise e-mails and phones and make the JSON
bodies of 1,000 profiles; they find no shared identifiers and write no report. Phones go by a regular expression, which
says yes to many numbers that are none; `by hand, phonenumbers` asks the library, as `validate` answers.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import phonenumbers
from pydantic import BaseModel, ConfigDict, field_validator

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


Phone = Callable[[str, str | None], str]


def text_of(text: str) -> str:
    """Return a text that may be sent."""
    if CONTROL.search(text) or len(text) > 1024:
        raise ValueError("a text that may not be sent")
    return text


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
    if row["birth_date"]:
        contact["birthDate"] = datetime.strptime(row["birth_date"], "%d/%m/%Y").replace(tzinfo=UTC).date().isoformat()
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


def bodies(profiles: Iterator[dict[str, Any]]) -> int:
    """Make the bodies; return their bytes."""
    size, batch = 0, []
    for profile in profiles:
        batch.append(profile)
        if len(batch) == BODY_ROWS:
            size += len(json.dumps({"profiles": batch}, ensure_ascii=False).encode())
            batch = []
    return size + len(json.dumps({"profiles": batch}, ensure_ascii=False).encode())


def by_hand(source: str) -> Callable[[], object]:
    """Read with csv.DictReader, write with json."""
    return lambda: bodies(good_profiles(rows_of(source)))


def by_hand_exact(source: str) -> Callable[[], object]:
    """The same with the phonenumbers library."""
    return lambda: bodies(good_profiles(rows_of(source), exact_phone_of))


def by_pandas(source: str) -> Callable[[], object]:
    """Read with pandas, a pydantic model a row."""
    pandas: Any = import_module("pandas")

    class Row(BaseModel):
        model_config = ConfigDict(extra="ignore")
        first_name: str | None
        last_name: str | None
        email: str | None
        mobile: str | None
        country: str | None
        birth_date: str | None
        street: str | None
        city: str | None
        postal_code: str | None
        points: int | None
        tier: str | None
        subscribed: bool
        colours: str | None
        signed_up: str
        notes: str | None

        @field_validator("email")
        @classmethod
        def _email(cls, value: str | None) -> str | None:
            return value if value is None else email_of(value)

    def models() -> Iterator[dict[str, Any]]:
        frame = pandas.read_csv(source, dtype=str, keep_default_na=False, on_bad_lines="skip").replace({"": None})
        for _, series in frame.iterrows():
            try:
                model = Row(**{name: None if pandas.isna(value) else value for name, value in series.items()})
            except ValueError:
                continue
            row = model.model_dump()
            yield row | {"points": str(row["points"] or ""), "subscribed": "1" if row["subscribed"] else "0"}

    return lambda: bodies(good_profiles(models()))


def by_dlt(source: str) -> Callable[[], object]:
    """Run dlt with a custom destination that makes the bodies."""
    dlt: Any = import_module("dlt")

    def work() -> int:
        size = 0

        def take(items: list[dict[str, Any]], table: dict[str, Any]) -> None:
            nonlocal size
            del table
            size += len(json.dumps({"profiles": [item["profile"] for item in items]}, ensure_ascii=False).encode())

        nowhere = dlt.destination(
            take, name="nowhere", batch_size=BODY_ROWS, loader_file_format="typed-jsonl", naming_convention="direct"
        )
        with tempfile.TemporaryDirectory() as folder:
            pipeline = dlt.pipeline("bench", pipelines_dir=folder, destination=nowhere)
            profiles = ({"profile": profile} for profile in good_profiles(rows_of(source)))
            pipeline.run(dlt.resource(profiles, name="profiles", columns={"profile": {"data_type": "json"}}))
        return size

    return work


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
    size = work()
    print(json.dumps({"seconds": time.perf_counter() - started, "units": None, "bytes": size}))


if __name__ == "__main__":
    main()
