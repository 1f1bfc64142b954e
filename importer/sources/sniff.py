"""What a file is, judged from its first bytes: pure functions, bytes in, verdict out.

A doubt is an answer too: it is raised as a `Doubt` with the cause and the fix, and the caller adds the file's name.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from importer.sources.decode import is_utf8


class Doubt(Exception):  # noqa: N818 - a verdict of this package, turned into a SourceError by its caller
    """The file is refused.

    Attributes:
        cause: One line, without the file's name.
        fix: One line.
    """

    def __init__(self, cause: str, fix: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.fix = fix


_EXPORT = "export it as CSV"
_EXCEL = "export it as CSV, or let its name end in .xlsx"
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "an Excel or zip file", _EXCEL),
    (b"PK\x05\x06", "an empty zip file", _EXPORT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel file (xls)", _EXPORT),
    (b"%PDF-", "a PDF file", _EXPORT),
    (b"\x89PNG\r\n", "a PNG image", "name a table"),
    (b"GIF87a", "a GIF image", "name a table"),
    (b"GIF89a", "a GIF image", "name a table"),
    (b"\xff\xd8\xff", "a JPEG image", "name a table"),
    (b"\xfd7zXZ\x00", "an xz file", "decompress it first (unxz), or use gz or zst"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
    (b"\x04\x22\x4d\x18", "an lz4 file", "decompress it first, or use gz or zst"),
    (b"Obj\x01", "an Avro file", "convert it to CSV or Parquet"),
    (b"SQLite format 3\x00", "an SQLite database", "say with --query what to read of it"),
    (b"\x7fELF", "a program", "name a table"),
)
_BZ2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_TEXT_BYTES = frozenset({9, 10, 13, *range(32, 127)})
_TAR_MAGIC = b"ustar"
_TAR_OFFSET = 257
_FIRST_BYTES = 256 * 1024
_MANY_LINES = 100
_ENOUGH_BYTES = 1024 * 1024


def file_kind(head: bytes) -> str:
    """Name what a file's first 4 KiB say it is: ``parquet``, ``gz``, ``zst`` or ``text``.

    Raises:
        Doubt: it is empty, or something that holds no table we read.
    """
    if not head:
        raise Doubt("the file is empty", "check the export that made it")
    # A header may begin with these letters; what follows them in a Parquet file is not text.
    if head.startswith((b"PAR1", b"PARE")) and not (head[4:] and _TEXT_BYTES.issuperset(head[4:64])):
        if head.startswith(b"PARE"):
            raise Doubt("this is an encrypted Parquet file", "decrypt it first")
        return "parquet"
    if head.startswith(b"\x1f\x8b"):
        return "gz"
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50):
        return "zst"
    refuse_other_formats(head)
    return "text"


def refuse_other_formats(head: bytes) -> None:
    """Refuse content that is a known format of another kind, also inside a compressed file.

    Raises:
        Doubt: naming the format.
    """
    for signature, what, fix in _SIGNATURES:
        if head.startswith(signature):
            raise Doubt(f"this is {what}, whatever its name says", fix)
    if head[8:12] == b"DUCK":
        raise Doubt("this is a DuckDB database, whatever its name says", "say with --query what to read of it")
    if _BZ2.match(head):
        raise Doubt("this is a bz2 file, whatever its name says", "decompress it first (bunzip2), or use gz or zst")
    if head[_TAR_OFFSET : _TAR_OFFSET + 5] == _TAR_MAGIC:
        raise Doubt("this is a tar archive, whatever its name says", "unpack it first")
    if head and not head.strip(b"\0"):
        raise Doubt("the file holds NUL bytes only", "check the export or copy that made it")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How bytes become text.

    Attributes:
        name: ``utf-8``, or the codec's name, without a byte order of its own guessing.
        bom_bytes: Length of the mark to pass over.
        note: What was found, for people.
    """

    name: str
    bom_bytes: int
    note: str


_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def _bom(head: bytes) -> tuple[str, int] | None:
    return next(((name, len(mark)) for mark, name in _BOMS if head.startswith(mark)), None)


def choose_encoding(head: bytes, wanted: str) -> Encoding:
    """Find the encoding of a text from its first bytes.

    Args:
        head: The first bytes, decompressed.
        wanted: A codec's name, or ``auto``.

    Raises:
        Doubt: unknown codec, a mark that contradicts it, or UTF-16 without a mark.
    """
    mark = _bom(head)
    if wanted != "auto":
        return _wanted_encoding(mark, wanted)
    if mark is not None:
        name, size = mark
        return Encoding(name, size, f"encoding {name} (by its byte order mark)")
    sample = head[:4096]
    if sample.count(0) * 4 > len(sample):
        order = "le" if sample[1::2].count(0) >= sample[0::2].count(0) else "be"
        raise Doubt("looks like UTF-16 without a byte order mark", f"--encoding utf-16-{order}")
    return Encoding("utf-8", 0, "encoding utf-8")


def _wanted_encoding(mark: tuple[str, int] | None, wanted: str) -> Encoding:
    try:
        info = codecs.lookup(wanted)
    except (LookupError, ValueError):
        raise Doubt("the encoding asked for is not known", "--encoding with a name such as utf-8 or cp1252") from None
    if not getattr(info, "_is_text_encoding", True) or info.incrementaldecoder is None:
        raise Doubt("the encoding asked for is not a text encoding", "--encoding with a name such as utf-8 or cp1252")
    name = {"utf-8-sig": "utf-8"}.get(info.name, info.name)
    family = name in {"utf-16", "utf-32"}
    if mark is not None:
        found, size = mark
        if found == name or (family and found.startswith(name)):
            return Encoding(found, size, f"encoding {found} (as asked, with a byte order mark)")
        raise Doubt(f"begins with the byte order mark of {found}, but {name} was asked for", "leave out --encoding")
    if family:
        raise Doubt(f"{name} was asked for, but there is no byte order mark", f"--encoding {name}-le or {name}-be")
    return Encoding(name, 0, f"encoding {name} (as asked)")


def check_utf8(head: bytes, *, at_end: bool) -> None:
    """Refuse the beginning of a file that is not UTF-8; half a character may stand at its end.

    Args:
        head: The first bytes, a byte order mark included.
        at_end: The file ends here, so a half character at the end is an error too.

    Raises:
        Doubt: with the offset of the first such byte, its line, and a likely encoding.
    """
    if is_utf8(pa.py_buffer(head)):
        return
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, at_end)
    except UnicodeDecodeError as exc:
        # The incremental decoder reports places in its own buffer, which begins with the head: they are offsets.
        before = head[: exc.start]
        line = 1 + before.count(b"\n") + (0 if b"\n" in before else before.count(b"\r"))
        likely = likely_encoding(head)
        raise Doubt(
            f"byte {exc.start} (line {line}) is not UTF-8; the file looks like {likely}", f"--encoding {likely}"
        ) from None


def beginning_of(head: bytes, skip_lines: int) -> bytes:
    """Return as much of the beginning of a file as its layout depends on: all of it where lines are long or blank."""
    first = head[:_FIRST_BYTES]
    filled = sum(1 for line in first.split(b"\n") if line.strip())
    return head[:_ENOUGH_BYTES] if filled > skip_lines + _MANY_LINES else head


def likely_encoding(head: bytes) -> str:
    """Guess the single-byte encoding of a text that is not UTF-8."""
    high = Counter(byte for byte in head if byte >= 0x80)
    if any(byte < 0xA0 for byte in high):
        undefined = {0x81, 0x8D, 0x8F, 0x90, 0x9D}
        return "cp1252" if not undefined & set(high) else "cp437"
    return "latin-1"


_HTML = re.compile(r"\s*<(?:!doctype|html|head|body|\?xml|!--|[A-Za-z][\w:-]*[\s/>])", re.IGNORECASE)
_JSON = re.compile(r'\s*(?:\{\s*(?:"[^"\r\n]*"\s*:|\})|\[\s*[\[{"\d\]-])')


def refuse_other_text(text: str) -> None:
    """Refuse text that is no table: an HTML or XML page, JSON.

    Raises:
        Doubt: naming it.
    """
    if not text.strip("\ufeff \t\r\n"):
        raise Doubt("the file is empty", "check the export that made it")
    if _HTML.match(text):
        raise Doubt(
            "this is an HTML or XML page, whatever its name says", "check the download: it may be a log-in page"
        )
    if _JSON.match(text):
        raise Doubt("this is JSON, whatever its name says", "name it .ndjson if each line is an object, or make it CSV")
