"""The page as a file: self-contained, escaped, private, small; readable in both colour schemes."""

from __future__ import annotations

import base64
import hashlib
import re
import stat
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Final

import pytest

from importer.core.report import Report
from importer.core.report_parts import ErrorReport, MappingReport, SourceReport, Target
from importer.reports.html_groups import GroupOverview
from importer.reports.html_issues import IssueOverview
from importer.reports.html_page import page_text
from tests.support.pages import HOSTILE, full_report, page_of, report_of, write_issues, write_merges

CSS: Final = resources.files("importer.reports").joinpath("html", "page.css").read_text(encoding="utf-8")
VOID: Final = {"meta", "input", "br"}
REACHES_OUT: Final = {"link", "img", "iframe", "object", "embed", "base", "form", "audio", "video", "source", "image"}
PAIRS: Final = [
    *[(front, back) for front in ("text", "muted", "accent") for back in ("bg", "surface", "sunken")],
    *[(front, "bg") for front in ("good", "warn", "bad")],
    *[(front, f"{front}-bg") for front in ("good", "warn", "bad", "accent")],
    *[("text", back) for back in ("warn-bg", "bad-bg")],
    ("bg", "accent"),
]
SHAPES: Final = ("good", "warn", "bad", "accent", "calm", "edge")


class Elements(HTMLParser):
    """Collects elements, and checks that they nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself, as those of a drawing do."""
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the last open element, which must be this one."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text of each kind of element."""
        if self._open:
            self.texts[self._open[-1]] = self.texts.get(self._open[-1], "") + data


def text_of(report: Report) -> str:
    """Make the page of a report without issues."""
    return page_text(report, IssueOverview(), GroupOverview())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a page from hostile text in every place that takes text from outside."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = range(1, len(HOSTILE) + 1)
    write_issues(
        folder,
        [(row, "invalid-email", "error", text, text, text) for row, text in zip(rows, HOSTILE, strict=True)],
        key=HOSTILE[0],
        keys=dict(zip(rows, HOSTILE, strict=True)),
        files=(HOSTILE[1],),
        show_values=True,
    )
    write_merges(folder, [2], key=HOSTILE[2], value=HOSTILE[3])
    report = full_report(
        source=SourceReport(files=HOSTILE, kind="csv", delimiter="<", columns=HOSTILE, notes=HOSTILE),
        mapping=MappingReport(name=HOSTILE[2]),
        target=Target(store_id=HOSTILE[0], store_name=HOSTILE[1], host=HOSTILE[2]),
        repairs=dict.fromkeys(HOSTILE, 1),
        cleared=dict.fromkeys(HOSTILE, 1),
        requests=dict.fromkeys(HOSTILE, 1),
        skipped=dict.fromkeys(HOSTILE, 1),
        notes=HOSTILE,
        hints=HOSTILE,
        error=ErrorReport(message=HOSTILE[0], hint=HOSTILE[1], problems=HOSTILE),
        folder=HOSTILE[3],
    )
    return page_of(folder, report).read_text(encoding="utf-8")


def test_hostile_text_makes_no_element_and_no_attribute(hostile: str) -> None:
    """Beside the page's own script and style there is none; nothing has a handler, a style or an address."""
    elements = Elements(hostile)
    names = [name for name, _ in elements.found]
    assert (names.count("script"), names.count("style")) == (1, 1)
    assert not REACHES_OUT.intersection(names)
    for name, attributes in elements.found:
        assert not [key for key in attributes if key.startswith("on") or key in {"style", "src", "srcset"}], name
        assert (attributes.get("href") or "#").startswith("#")
    assert "{{" in hostile  # text that looks like a template is text


def test_hostile_text_cannot_hide_what_it_is(hostile: str) -> None:
    """No control character, line separator or direction override is in the page; long text is cut."""
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", hostile)
    assert "abc\\u202egpj.exe" in hostile
    assert "w" * 1_001 not in hostile
    assert "(10,000 characters)" in hostile


def test_the_policy_knows_the_script_and_the_style_by_their_hashes() -> None:
    """Nothing else may run or be fetched, and neither holds an address."""
    text = text_of(full_report())
    elements = Elements(text)
    (policy,) = [
        attributes["content"] or ""
        for name, attributes in elements.found
        if name == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    for directive, element in (("script-src", "script"), ("style-src", "style")):
        content = text.split(f"<{element}>")[1].split(f"</{element}>")[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert not re.search(r"https?:|//[a-z]|url\((?!#)|@import", text)


def test_the_page_is_private(tmp_path: Path) -> None:
    """It names keys, and may show cells."""
    page = page_of(tmp_path, full_report())
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_page_stays_below_a_megabyte(tmp_path: Path) -> None:
    """With the most that every cap lets through, each character of it written as an entity."""
    nasty = "<&\"'" * 300
    write_issues(
        tmp_path,
        [
            (column * 20 + n, "invalid-email", "error", f"{column} {nasty}", nasty, nasty)
            for column in range(400)
            for n in range(1, 12)
        ],
        show_values=True,
    )
    write_merges(tmp_path, [30] * 60, key=nasty, value=nasty)
    many = {f"{number} {nasty[:200]}": number for number in range(1, 200)}
    report = full_report(
        notes=(nasty,) * 90, hints=(nasty,) * 4, repairs=many, cleared=many, removed=many, requests=many
    )
    assert page_of(tmp_path, report).stat().st_size < 1_000_000


@pytest.mark.parametrize("code", [1, 2, 4, 5, 6, 7, 130, 143])
def test_a_run_that_did_not_end_well_says_so(code: int) -> None:
    """In the headline's place and beside it, with what ended it and what to do."""
    report = report_of(
        {"accepted": 1, "not_sent": 2},
        command="import",
        exit_code=code,
        error=ErrorReport(message="the service accepted nothing", hint="`memory-importer resume X`", problems=("one",)),
    )
    text = text_of(report)
    assert f"Exit code {code}" in text
    assert "tone-bad" in text
    assert "The service accepted nothing" in text
    assert '<code class="command" data-copy>memory-importer resume X</code>' in text
    assert "<li>one</li>" in text


def test_a_run_that_goes_on_says_so() -> None:
    """A report without an end has a page all the same."""
    text = text_of(report_of({}, exit_code=None, finished_at=None, rows_read=5, source=None, mapping=None, target=None))
    assert "This run has not ended" in text
    assert "Not finished. 5 rows read." in text
    assert "Exit code</dt>" in text


def test_sections_without_anything_to_say_are_left_out() -> None:
    """And so are the links to them; every link goes somewhere."""
    for report in (full_report(), report_of({"planned": 3}, exit_code=0)):
        elements = Elements(text_of(report))
        ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
        links = [attributes["href"] or "" for name, attributes in elements.found if name == "a"]
        assert len(set(ids)) == len(ids)
        assert {link.removeprefix("#") for link in links} <= set(ids)
    assert "Requests and cost" not in text_of(report_of({"planned": 3}, exit_code=0))


def test_what_must_be_looked_at_stands_at_the_top_and_not_among_the_notes() -> None:
    """Sensitive data, and a plan that would stop when it is sent."""
    first = "sensitive data: column `ssn` -> Account.x looks like national identity numbers (named so)"
    second = "sending it would stop with exit code 6: 85 of 600 rows are rejected"
    text = text_of(full_report(notes=(first, "another note", second)))
    top, _, rest = text.partition('<svg class="outcome"')
    assert top.count('class="alarm"') == 2
    assert "Sensitive data: column <code>ssn</code>" in top
    assert "would stop with exit code 6" in top
    assert "Another note" in rest
    assert "would stop" not in rest


def test_a_run_without_issues_says_so() -> None:
    """Nothing where everybody looks for issues would leave them wondering."""
    assert "None: no error and no warning in 3 rows." in text_of(report_of({"planned": 3}, exit_code=0))
    assert "None: no error" not in text_of(report_of({"rejected": 3}, issues={"invalid-email": 3}))
    assert "None: no error" not in text_of(report_of({}, exit_code=None, finished_at=None))


def test_what_was_read_back_is_shown() -> None:
    """As counts by result."""
    text = text_of(full_report())
    assert re.search(r"mismatched</th><td class=\"n\">2<", text)


def scheme(start: str) -> dict[str, str]:
    """Return the colours of the block that begins after `start`."""
    block = CSS[CSS.index(start) :].split(":root {")[1].split("}")[0]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))


SCHEMES: Final = {"light": scheme(""), "dark": scheme("prefers-color-scheme: dark"), "print": scheme("@media print")}


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours: 1 to 21."""
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", SCHEMES)
def test_text_and_shapes_stand_out_in_every_scheme(name: str) -> None:
    """4.5 to 1 for text, 3 to 1 for shapes that mean something, on screen by day and night, and on paper."""
    colours = SCHEMES[name]
    faint = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in PAIRS}
    assert min(faint.values()) >= 4.5, sorted(faint.items(), key=lambda item: item[1])[:3]
    shapes = {shape: contrast(colours[shape], colours["bg"]) for shape in SHAPES}
    assert min(shapes.values()) >= 3, shapes


def test_no_colour_stands_outside_the_schemes() -> None:
    """So the test of contrast sees all of them."""
    outside = re.sub(r":root \{[^}]*\}", "", CSS)
    assert not re.search(r"#[0-9a-f]{3,8}\b|rgb|hsl", outside)
    assert SCHEMES["light"].keys() == SCHEMES["dark"].keys() == SCHEMES["print"].keys()
