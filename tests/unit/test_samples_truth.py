"""The sample files against their truth, and the bench generator against its own, without any code of the importer."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import phonenumbers
import polars as pl
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
TRUTH_HEADER = ["row_number", "line", "expected_state", "code", "severity", "column"]
MISSING = {"", "\\N", "NULL"}
LATIN = "àáâäǎæãåāçćčċďðḍèéêëěẽēėęğġħḥìíîïǐĩīıįķłļľṁòóôöǒœøõōřṛßşșśšṣțťþṭùúûüǔũūűůŵýŷÿźžżẓ"
CARRIED = set(
    " !@#$%^&*()_+-=[]{}:\\|.`~<>/?0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    + LATIN
    + LATIN.upper()
)

CUSTOMERS_CODES = {
    *("malformed-row", "missing-identifier", "too-few-values", "required-missing", "type-mismatch", "out-of-range"),
    *("too-long", "too-many-items", "invalid-phone", "ambiguous-phone", "unlikely-phone", "invalid-email"),
    *("invalid-date", "excel-damage", "control-character", "invisible-character", "denied-value", "merge-group"),
    *("duplicate-key", "missing-key", "rule-broken"),
}
CONTACTS_CODES = {
    *("malformed-row", "too-few-values", "type-mismatch", "invalid-phone", "invalid-date", "shared-identifier"),
}


@dataclass(frozen=True)
class Sample:
    """A sample file as the standard library reads it: fields and first physical line by row number."""

    header: list[str]
    rows: dict[int, list[str]]
    lines: dict[int, int]
    truth: dict[int, list[dict[str, str]]]

    def cells(self, number: int) -> dict[str, str]:
        """Return a well-formed row by column."""
        return dict(zip(self.header, self.rows[number], strict=True))

    def good(self) -> dict[int, dict[str, str]]:
        """Return the rows that the truth does not name."""
        return {number: self.cells(number) for number in self.rows if number not in self.truth}

    def named(self, code: str) -> list[int]:
        """Return the rows that have an issue."""
        return [number for number, lines in self.truth.items() if code in {line["code"] for line in lines}]


def read_rows(path: Path, **dialect: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield first physical line and fields of each row, the header first."""
    encoding = dialect.pop("encoding", "utf-8")
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, **dialect)
        line = 1
        for fields in reader:
            yield line, fields
            line = reader.line_num + 1


def read_sample(name: str, **dialect: Any) -> Sample:
    """Read a sample and its truth."""
    (_, header), *rows = read_rows(SAMPLES / f"{name}.csv", **dialect)
    truth = defaultdict(list)
    with (SAMPLES / f"{name}.truth.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            truth[int(line["row_number"])].append(line)
    numbered = dict(enumerate(rows, 1))
    return Sample(
        header, {n: fields for n, (_, fields) in numbered.items()}, {n: at for n, (at, _) in numbered.items()}, truth
    )


@pytest.fixture(scope="module")
def customers() -> Sample:
    """Read customers.csv."""
    return read_sample("customers")


@pytest.fixture(scope="module")
def contacts() -> Sample:
    """Read contacts-de.csv."""
    return read_sample("contacts-de", delimiter=";", encoding="latin-1")


@pytest.fixture(params=["customers", "contacts"])
def sample(request: pytest.FixtureRequest) -> Sample:
    """Give each sample in turn."""
    value = request.getfixturevalue(request.param)
    assert isinstance(value, Sample)
    return value


def e164(cells: Mapping[str, str], column: str, region: str | None) -> str | None:
    """Return a row's number as E.164, and fail where it is not a number in use."""
    if cells[column] in MISSING:
        return None
    number = phonenumbers.parse(cells[column], region)
    assert phonenumbers.is_valid_number(number), f"{cells[column]} is not in use"
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    assert isinstance(text, str)
    return text


def test_truth_is_well_formed(sample: Sample) -> None:
    """Each line of a truth has a known state, and its severity fits that state."""
    for number, lines in sample.truth.items():
        states = {line["expected_state"] for line in lines}
        assert len(states) == 1, number
        assert states <= {"rejected", "skipped", "held", "combined", "sent"}, number
        assert all(list(line) == TRUTH_HEADER for line in lines)
        severities = {line["severity"] for line in lines}
        assert ("error" in severities) == (states == {"rejected"}), number
        assert all((line["code"] == "") == (line["severity"] == "") for line in lines), number
        assert all(line["column"] in ["", *sample.header] for line in lines), number
    assert list(sample.truth) == sorted(sample.truth)


def test_truth_names_the_physical_lines(sample: Sample) -> None:
    """The line of every seeded row is where the standard library finds the row."""
    assert {n: {int(line["line"]) for line in lines} for n, lines in sample.truth.items()} == {
        n: {sample.lines[n]} for n in sample.truth
    }
    assert max(sample.lines.values()) > len(sample.rows) + 1, "no line break within a cell"


def test_every_claimed_code_is_seeded(customers: Sample, contacts: Sample) -> None:
    """The truths name exactly the codes that the samples are said to show."""
    codes = [{line["code"] for lines in s.truth.values() for line in lines} - {""} for s in (customers, contacts)]
    assert codes == [CUSTOMERS_CODES, CONTACTS_CODES]


def test_problems_stay_few(customers: Sample, contacts: Sample) -> None:
    """At most 8 % of the customers are seeded, and neither file has more rejects than an import lets pass."""
    assert len(customers.rows) == 516
    assert len(customers.truth) <= 0.08 * len(customers.rows)
    for one in (customers, contacts):
        rejected = [n for n, lines in one.truth.items() if lines[0]["expected_state"] == "rejected"]
        assert len(rejected) < 0.1 * len(one.rows)


def test_only_malformed_and_blank_rows_have_another_width(sample: Sample) -> None:
    """A row has as many fields as the header, or the truth calls it malformed, or it is a blank line."""
    odd = {n for n, fields in sample.rows.items() if len(fields) != len(sample.header)}
    blank = {n for n, fields in sample.rows.items() if not fields}
    assert odd - blank == set(sample.named("malformed-row"))
    assert all(sample.truth[n][0]["expected_state"] == "skipped" for n in blank)


def test_customers_show_both_routes(customers: Sample) -> None:
    """At least 200 good rows fill the same columns and suit the CSV flow, at least 150 do not, for three reasons."""
    reasons: Counter[str] = Counter()
    alike: Counter[tuple[str, ...]] = Counter()
    for cells in customers.good().values():
        texts = [value.strip() for name, value in cells.items() if name != "customer_id"]
        filled = tuple(name for name, value in cells.items() if value not in MISSING)
        if cells["colours"]:
            reasons["array"] += 1
        elif any(set(text) - CARRIED or "  " in text for text in texts):
            reasons["characters"] += 1
        else:
            alike[filled] += 1
    (_, most), *others = alike.most_common()
    assert most >= 200
    assert all(count < 100 for _, count in others)
    reasons["missing"] = sum(count for _, count in others)
    assert min(reasons.values()) >= 30
    assert reasons.total() >= 150


def test_good_customers_share_no_identifier(customers: Sample) -> None:
    """Good rows have valid numbers, and no phone or e-mail of another row, but for the newer rows of two pairs."""
    owners = defaultdict(set)
    for number, cells in customers.good().items():
        assert cells["email"].strip() not in MISSING, number
        owners[cells["email"].strip().lower()].add(number)
        phone = e164(cells, "mobile", cells["country"] or None)
        if phone is not None:
            owners[phone].add(number)
    assert all(len(numbers) == 1 for numbers in owners.values())
    keys = Counter(cells["customer_id"] for cells in customers.good().values())
    assert keys.most_common(1)[0][1] == 1


def test_older_rows_of_a_key_come_before_the_row_that_carries_them(customers: Sample) -> None:
    """Each combined row has its key once more, later and good; one of the pairs has two e-mails."""
    good = {cells["customer_id"]: (number, cells) for number, cells in customers.good().items()}
    combined = [n for n, lines in customers.truth.items() if lines[0]["expected_state"] == "combined"]
    assert len(combined) == 2
    for number in combined:
        cells = customers.cells(number)
        later, newer = good[cells["customer_id"]]
        assert later > number
        assert e164(newer, "mobile", "US") == e164(cells, "mobile", "US")
        assert (newer["email"] == cells["email"]) == (number not in customers.named("duplicate-key"))


def test_merge_group_is_a_chain_of_three(customers: Sample) -> None:
    """Two of the three held rows share a phone and two share an e-mail, under three keys."""
    group = [customers.cells(n) for n in customers.named("merge-group")]
    assert len({cells["customer_id"] for cells in group}) == 3
    assert len({e164(cells, "mobile", cells["country"]) for cells in group}) == 2
    assert len({cells["email"].lower() for cells in group}) == 2


def test_family_shares_a_landline(contacts: Sample) -> None:
    """Three contacts share one number, and only the one without an e-mail is held; the others share nothing."""
    family = contacts.named("shared-identifier")
    assert len({e164(contacts.cells(n), "Telefon", "DE") for n in family}) == 1
    held = [contacts.truth[n][0]["expected_state"] == "held" for n in family]
    assert held == [contacts.cells(n)["E-Mail"] == "" for n in family]
    assert sum(held) == 1
    phones = Counter(e164(cells, "Telefon", "DE") for cells in contacts.good().values())
    emails = Counter(cells["E-Mail"] for cells in contacts.good().values())
    assert max(count for phone, count in phones.items() if phone) == 1
    assert max(count for email, count in emails.items() if email) == 1


def test_parquet_has_the_well_formed_rows(customers: Sample) -> None:
    """The Parquet file is the CSV file without malformed and blank rows, text for text."""
    frame = pl.read_parquet(SAMPLES / "customers.parquet")
    assert set(frame.dtypes) == {pl.String}
    whole = [fields for fields in customers.rows.values() if len(fields) == len(customers.header)]
    assert [list(row) for row in frame.fill_null("").rows()] == whole
    assert frame.columns == customers.header


def test_contacts_are_latin_1_with_windows_line_ends() -> None:
    """The German file is not UTF-8 and ends every line with CR LF."""
    content = (SAMPLES / "contacts-de.csv").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        content.decode("utf-8")
    assert content.count(b"\n") == content.count(b"\r\n")


@pytest.mark.parametrize(("mapping", "name"), [("customers", "customers"), ("contacts-de", "contacts")])
def test_mappings_name_columns_of_their_sample(mapping: str, name: str, request: pytest.FixtureRequest) -> None:
    """Every column that a mapping reads is in the header of its sample."""
    sample: Sample = request.getfixturevalue(name)
    document = YAML(typ="safe").load((ROOT / "mappings" / f"{mapping}.yaml").read_text(encoding="utf-8"))
    assert {*document["columns"], *document["source"]["key"]} <= set(sample.header)


def test_generator_is_prefix_stable_and_true(tmp_path: Path) -> None:
    """The first rows do not depend on how many are asked for, and its truth has their physical lines."""
    for rows in (3000, 5000):
        script = [sys.executable, str(ROOT / "bench" / "generate_customers.py"), str(tmp_path / f"{rows}.csv")]
        subprocess.run([*script, "--rows", str(rows), "--truth", str(tmp_path / f"{rows}.truth")], check=True)
    assert (tmp_path / "5000.csv").read_bytes().startswith((tmp_path / "3000.csv").read_bytes())
    (_, header), *rows_read = read_rows(tmp_path / "3000.csv")
    assert len(rows_read) == 3000
    with (tmp_path / "3000.truth").open(encoding="utf-8", newline="") as file:
        truth = {int(line["row_number"]): line for line in csv.DictReader(file)}
    assert all(int(line["line"]) == rows_read[n - 1][0] for n, line in truth.items())
    cut = {n for n, (_, fields) in enumerate(rows_read, 1) if len(fields) != len(header)}
    assert cut == {n for n, line in truth.items() if line["code"] == "malformed-row"}
