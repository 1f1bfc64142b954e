"""JSON lines, Arrow and Excel as sources: exact texts, true row numbers, and bad rows that are rows."""

from __future__ import annotations

import gzip
import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from importer.errors import SourceError
from importer.ports import Source, SourceOptions
from importer.sources import open_source

CANARY = "canary-9d2e@example.com"


def opened(path: Path, **options: object) -> Source:
    """Open a file as a source."""
    return open_source(str(path), SourceOptions(**options))  # type: ignore[arg-type]


def rows_of(source: Source) -> pl.DataFrame:
    """Read one whole pass."""
    return pl.concat([chunk.frame for chunk in source.chunks()])


def lines(path: Path, *texts: str | bytes, end: bytes = b"\n") -> Path:
    """Write a file of lines."""
    path.write_bytes(b"".join((text.encode() if isinstance(text, str) else text) + end for text in texts))
    return path


class TestJsonLines:
    """One JSON object a line."""

    def test_numbers_keep_all_their_digits(self, tmp_path: Path) -> None:
        """Neither a long id nor a trailing zero is lost; words are as in a CSV file."""
        path = lines(
            tmp_path / "a.ndjson", '{"id": 123456789012345678901234567890, "n": 1.50, "b": true, "t": "x", "z": null}'
        )
        assert rows_of(opened(path)).rows() == [("123456789012345678901234567890", "1.50", "true", "x", None)]

    def test_lists_stay_lists(self, tmp_path: Path) -> None:
        """A line without the key has none, and a single value in their place is no row."""
        path = lines(tmp_path / "a.jsonl", '{"id": 1, "l": ["a", 2, null]}', '{"id": 2}', '{"id": 3, "l": "a"}')
        chunk = next(iter(opened(path).chunks()))
        assert chunk.frame.rows() == [("1", ["a", "2", None]), ("2", None)]
        assert chunk.malformed["row_number"].to_list() == [3]

    @pytest.mark.parametrize(
        ("bad", "why"),
        [
            (f'{{"id": "{CANARY}"', "not one JSON object"),
            (f'["{CANARY}"]', "not one JSON object"),
            (f'{{"id": 1}} {{"id": "{CANARY}"}}', "not one JSON object"),
            (f'{{"id": {{"x": "{CANARY}"}}}}', "an object as a value"),
            (f'{{"id": [["{CANARY}"]]}}', "list"),
            (f'{{"id": 1, "id": "{CANARY}"}}', "twice"),
            ('{"id": NaN}', "NaN"),
            ('{"id": "\\ud800"}', "surrogate"),
            (b'{"id": "\xff"}', "not UTF-8"),
            ("[" * 100_000, "not one JSON object"),
        ],
    )
    def test_a_line_that_is_no_row_is_rejected_alone(self, tmp_path: Path, bad: str | bytes, why: str) -> None:
        """With its line and its cause, and nothing of what it holds; the rows around it are read."""
        path = lines(tmp_path / "a.ndjson", '{"id": "1"}', "", bad, '{"id": "4"}')
        chunk = next(iter(opened(path).chunks()))
        assert chunk.row_number.to_list() == [1, 2, 4]
        assert chunk.line is not None
        assert chunk.line.to_list() == [1, 2, 4]
        assert chunk.blank.to_list() == [False, True, False]
        assert chunk.malformed.select("row_number", "line").rows() == [(3, 3)]
        assert why in chunk.malformed["message"][0]
        assert CANARY not in chunk.malformed["message"][0]

    def test_a_key_that_comes_late_rejects_its_line(self, tmp_path: Path) -> None:
        """Its value is never left out without a word."""
        path = lines(tmp_path / "a.ndjson", *['{"id": "1"}'] * 10_000, '{"id": "2", "late": "x"}')
        chunks = list(opened(path).chunks())
        assert sum(chunk.frame.height for chunk in chunks) == 10_000
        assert [chunk.malformed["row_number"].to_list() for chunk in chunks if chunk.malformed.height] == [[10_001]]

    def test_compressed_with_a_mark_and_crlf(self, tmp_path: Path) -> None:
        """The name without its last suffix says what it is."""
        path = tmp_path / "a.ndjson.gz"
        path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"id": 1}\r\n{"id": 2}'))
        assert rows_of(opened(path))["id"].to_list() == ["1", "2"]

    def test_json_under_another_name_stays_refused(self, tmp_path: Path) -> None:
        """It is what a log-in error looks like that was saved as a table."""
        with pytest.raises(SourceError, match="JSON"):
            opened(lines(tmp_path / "a.csv", '{"error": "expired"}')).describe()

    def test_an_endless_line_is_refused(self, tmp_path: Path) -> None:
        """With its line."""
        path = lines(tmp_path / "a.ndjson", '{"id": 1}', b'{"id": "' + b"x" * (20 * 1024 * 1024) + b'"}')
        with pytest.raises(SourceError, match="line 2 is longer"):
            rows_of(opened(path))


class TestArrow:
    """Arrow files."""

    def test_typed_values_are_the_texts_a_file_would_hold(self, tmp_path: Path) -> None:
        """As of Parquet; what has no text is left out and named."""
        path = tmp_path / "a.arrow"
        frame = pl.DataFrame({"id": [1, 2], "d": [date(2026, 2, 3), None], "s": [{"x": 1}, {"x": 2}], "l": [["a"], []]})
        frame.write_ipc(path)
        source = opened(path)
        assert source.describe().kind == "arrow"
        assert "struct" in source.describe().unsupported["s"]
        assert rows_of(source).rows() == [("1", "2026-02-03", ["a"]), ("2", None, [])]
        assert source.fingerprint() == opened(path).fingerprint()

    def test_a_large_file_comes_in_chunks(self, tmp_path: Path) -> None:
        """Numbers go on through them."""
        path = tmp_path / "a.feather"
        pl.DataFrame({"id": range(100_000)}).write_ipc(path)
        chunks = list(opened(path).chunks())
        assert max(chunk.frame.height for chunk in chunks) <= 80_000
        assert chunks[0].row_number[0] == 1
        assert chunks[-1].row_number[-1] == 100_000

    def test_wide_rows_come_in_smaller_chunks(self, tmp_path: Path) -> None:
        """Each cell has a price, even an empty one."""
        path = tmp_path / "a.feather"
        pl.DataFrame({f"c{number}": [0] * 2_500 for number in range(1_000)}).write_ipc(path)
        assert [chunk.frame.height for chunk in opened(path).chunks()] == [1_000, 1_000, 500]

    @pytest.mark.parametrize("cut", [20, 200, -30])
    def test_a_damaged_file_is_refused(self, tmp_path: Path, cut: int) -> None:
        """In one line that quotes nothing."""
        path = tmp_path / "a.arrow"
        pl.DataFrame({"id": [CANARY] * 50}).write_ipc(path)
        path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(SourceError, match="truncated, damaged") as caught:
            rows_of(opened(path))
        assert CANARY not in str(caught.value)

    def test_texts_that_are_not_utf8_never_get_further(self, tmp_path: Path) -> None:
        """The file format does not check them."""
        bad = pa.Array.from_buffers(
            pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
        )
        path = tmp_path / "a.arrow"
        with pa.ipc.new_file(path, pa.schema([("id", pa.string())])) as out:
            out.write_batch(pa.record_batch([bad], names=["id"]))
        with pytest.raises(SourceError, match="column 'id'"):
            rows_of(opened(path))

    def test_rows_may_begin_behind_an_empty_batch(self, tmp_path: Path) -> None:
        """Writers flush empty batches; the file has rows all the same."""
        path = tmp_path / "a.arrow"
        schema = pa.schema([("id", pa.string())])
        with pa.ipc.new_file(path, schema) as out:
            for ids in ([], ["1"], [], ["2"]):
                out.write_batch(pa.record_batch([pa.array(ids, pa.string())], schema=schema))
        assert rows_of(opened(path))["id"].to_list() == ["1", "2"]

    def test_a_list_column_is_none_in_another_file(self, tmp_path: Path) -> None:
        """Files of one source are alike."""
        pl.DataFrame({"id": ["1"]}).write_ipc(tmp_path / "a.arrow")
        pl.DataFrame({"id": [["1"]]}).write_ipc(tmp_path / "b.arrow")
        with pytest.raises(SourceError, match="a list column in one"):
            open_source([str(tmp_path / "a.arrow"), str(tmp_path / "b.arrow")], SourceOptions()).describe()

    def test_no_rows_need_to_be_allowed(self, tmp_path: Path) -> None:
        """As of every source."""
        path = tmp_path / "a.arrow"
        pl.DataFrame({"id": []}, schema={"id": pl.String}).write_ipc(path)
        with pytest.raises(SourceError, match="no rows"):
            opened(path).describe()
        assert list(opened(path, allow_empty=True).chunks()) == []


class TestExcel:
    """Excel files."""

    @staticmethod
    def book(path: Path) -> Path:
        """Write a book of two sheets, the second with an empty row in its middle."""
        xlsxwriter = pytest.importorskip("xlsxwriter")
        with xlsxwriter.Workbook(path) as book:
            book.add_worksheet("Notes").write_row(0, 0, ["just", "words"])
            sheet = book.add_worksheet("People")
            sheet.write_row(0, 0, ["id", "postal", "phone", "since", "points"])
            sheet.write_row(1, 0, ["a", "01234", 13175551234, None, 1.5])
            sheet.write_datetime(1, 3, date(2026, 2, 3), book.add_format({"num_format": "yyyy-mm-dd"}))
            sheet.write_row(3, 0, ["b", "00001", 5, None, 2])
        return path

    def test_cells_are_texts_and_empty_rows_count(self, tmp_path: Path) -> None:
        """Zeros stay, a date is ISO 8601, and the row below an empty one keeps its number and line."""
        source = opened(self.book(tmp_path / "book.xlsx"), sheet="People")
        chunk = next(iter(source.chunks()))
        assert chunk.frame.row(0) == ("a", "01234", "13175551234", "2026-02-03", "1.5")
        assert chunk.frame.row(2)[:3] == ("b", "00001", "5")
        assert chunk.blank.to_list() == [False, True, False]
        assert chunk.row_number.to_list() == [1, 2, 3]
        assert chunk.line is not None
        assert chunk.line.to_list() == [2, 3, 4]

    def test_a_failed_formula_and_a_time_of_day_are_what_excel_shows(self, tmp_path: Path) -> None:
        """Not missing, which could clear a stored value; and without the day that Excel counts from."""
        xlsxwriter = pytest.importorskip("xlsxwriter")
        with xlsxwriter.Workbook(tmp_path / "book.xlsx") as book:
            sheet = book.add_worksheet()
            sheet.write_row(0, 0, ["id", "rate", "opens"])
            clock = book.add_format({"num_format": "hh:mm"})
            for row, error in enumerate(("#DIV/0!", "#N/A", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"), 1):
                sheet.write(row, 0, row)
                sheet.write_formula(row, 1, "=1/0", None, error)
                sheet.write(row, 2, 0.5 + row / 1440, clock)
        found = rows_of(opened(tmp_path / "book.xlsx"))
        assert found["rate"].to_list() == ["#DIV/0!", "#N/A", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"]
        assert found["opens"].to_list()[:2] == ["12:01:00", "12:02:00"]

    def test_a_table_below_empty_rows_needs_their_number(self, tmp_path: Path) -> None:
        """The lines are those of the sheet all the same."""
        xlsxwriter = pytest.importorskip("xlsxwriter")
        with xlsxwriter.Workbook(tmp_path / "book.xlsx") as book:
            sheet = book.add_worksheet()
            sheet.write_row(3, 2, ["id", "email"])
            sheet.write_row(4, 2, ["a", CANARY])
        with pytest.raises(SourceError, match="row 1 of the sheet should be the header") as caught:
            opened(tmp_path / "book.xlsx").describe()
        assert "--skip-lines" in caught.value.hint
        (chunk,) = opened(tmp_path / "book.xlsx", skip_lines=3).chunks()
        assert chunk.frame.rows() == [("a", CANARY)]
        assert chunk.line is not None
        assert chunk.line.to_list() == [5]

    def test_a_sheet_that_is_not_there_is_refused_with_those_that_are(self, tmp_path: Path) -> None:
        """By name."""
        with pytest.raises(SourceError, match="no sheet 'Nope'") as caught:
            opened(self.book(tmp_path / "book.xlsx"), sheet="Nope").describe()
        assert "'People'" in caught.value.hint

    def test_a_bomb_is_refused_before_it_is_unpacked(self, tmp_path: Path) -> None:
        """A sheet of 100 MB of one letter takes 100 KB on the disk."""
        path = self.book(tmp_path / "book.xlsx")
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as content:
            content.writestr("xl/worksheets/sheet9.xml", b"x" * (100 * 1024 * 1024))
        with pytest.raises(SourceError, match="unpacks to more than 200 times"):
            opened(path).describe()

    def test_a_zip_that_is_no_book_is_refused(self, tmp_path: Path) -> None:
        """Whatever its name says."""
        path = tmp_path / "book.xlsx"
        with zipfile.ZipFile(path, "w") as content:
            content.writestr("cells.txt", CANARY)
        with pytest.raises(SourceError, match="damaged, protected") as caught:
            opened(path).describe()
        assert CANARY not in str(caught.value)


def test_files_of_two_kinds_are_no_one_source(tmp_path: Path) -> None:
    """Each is read by its own rules."""
    lines(tmp_path / "a.csv", "id,x", "1,2")
    lines(tmp_path / "b.ndjson", '{"id": 1, "x": 2}')
    with pytest.raises(SourceError, match="not of the kind"):
        open_source([str(tmp_path / "a.csv"), str(tmp_path / "b.ndjson")], SourceOptions())
