"""`report.html` in a real browser: it loads, counts right, filters, stays offline, and takes no text for markup."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
from playwright.sync_api import Browser, Page

from importer.core.issue_catalogue import CATALOGUE
from tests.support.browser import chromium, faint_texts, opened, shape_contrasts, too_wide_px, unnamed
from tests.support.cli import CUSTOMERS_RUN, new_shell, report_of
from tests.support.pages import HOSTILE, Issue, full_report, page_of, write_issues, write_merges

PHONE: Final = {"width": 360, "height": 740}
CODES: Final = {"invalid-email": "error", "invalid-date": "error", "unlikely-phone": "warning"}

INJECT: Final = """() => {
  const refused = window.refused = [];
  addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
  const add = (name, key, value) => {
    const element = document.createElement(name);
    element[key] = value;
    document.body.append(element);
  };
  for (const attempt of [
    () => { document.body.innerHTML += "<i></i>"; },
    () => document.body.setAttribute("onclick", "window.clicked = true"),
    () => add("script", "textContent", "window.clicked = true"),
    () => add("img", "src", "http://127.0.0.1:9/x"),
    () => add("style", "textContent", "*{}"),
  ]) {
    try { attempt(); } catch (error) { refused.push(error instanceof TypeError ? "by type" : error.name); }
  }
  document.body.click();
}"""
OUTLINE: Final = "() => getComputedStyle(document.activeElement).outlineStyle"
FOCUSED: Final = "() => document.activeElement.id || document.activeElement.textContent.trim()"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for all tests of this module."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Import the sample by the command line; return the run's folder."""
    shell = new_shell(tmp_path_factory.mktemp("run"))
    ended = shell.run("import", *CUSTOMERS_RUN, "--emulator")
    assert ended.code == 3, ended.stderr
    return shell.runs()[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a page with every section: 60 issues of three codes in four columns, two groups."""
    folder = tmp_path_factory.mktemp("made")
    columns = ("email", "born", "mobile", None)
    codes = list(CODES)
    issues: list[Issue] = [
        (n, codes[n % 3], CODES[codes[n % 3]], columns[n % 4], f"secret-{n}", f"expected {n % 3}") for n in range(60)
    ]
    write_issues(folder, issues)
    write_merges(folder, [3, 2], value="somebody@example.com")
    return page_of(folder, full_report())


def shown_rows(page: Page) -> set[int]:
    """Return the row numbers of the examples that can be seen."""
    return {int(text) for text in page.locator("tr[data-of]:visible td:first-child").all_inner_texts()}


def shown_codes(page: Page) -> set[str]:
    """Return the codes whose cards can be seen."""
    cards: list[str] = page.locator("#codes > details:visible").evaluate_all("all => all.map((e) => e.dataset.code)")
    return set(cards)


def status(page: Page) -> str:
    """Return what the filter says is shown."""
    return page.locator("#f-status").inner_text()


def number(text: str) -> int:
    """Read a number as the page writes it."""
    return int(text.replace(",", ""))


def test_the_page_of_a_run_has_the_counts_of_its_report(browser: Browser, run: Path) -> None:
    """Outcomes, issues by code and column, groups: what report.json and issues.parquet say, no more and no less."""
    report: dict[str, Any] = report_of(run)
    assert "report.html" in report["files"]
    with opened(browser, run / "report.html") as seen:
        page = seen.page
        states = {
            row.get_attribute("data-state"): number(row.locator("td.n").first.inner_text())
            for row in page.locator("#outcome-table tbody tr").all()
        }
        assert states == {state: count for state, count in report["outcomes"].items() if count}
        cards = page.locator("#codes > details").evaluate_all(
            "all => all.map((e) => [e.dataset.code, e.querySelector('.total').firstChild.data])"
        )
        assert {code: number(count) for code, count in cards} == report["issues"]
        kinds = page.locator("[data-kind]").evaluate_all(
            "all => all.map((e) => [e.closest('details').dataset.code, e.dataset.severity, Number(e.dataset.count)])"
        )
        issues = pl.read_parquet(run / "issues.parquet").group_by("code", "severity", "column", "trait").len()
        assert sorted(map(tuple, kinds)) == sorted(issues.select("code", "severity", "len").iter_rows())
        assert page.locator("details[data-group]").count() == report["merge_groups"]["groups"]
        assert status(page) == f"{sum(report['issues'].values())} issues, {issues['len'].sum()} examples"
        assert page.locator("html[lang=en] > head > title").inner_text().startswith("customers.csv: ")
        assert seen.is_quiet, (seen.requests, seen.complaints)


def test_the_page_masks_what_issues_csv_masks(browser: Browser, run: Path) -> None:
    """Values are there as issues.csv has them, beside the key and the row they belong to."""
    issues = pl.read_csv(run / "issues.csv", infer_schema=False)
    expected = sorted(issues.filter(pl.col("value").is_not_null())["value"])
    with opened(browser, run / "report.html") as seen:
        seen.page.get_by_role("button", name="Open all").click()
        values = seen.page.locator(".examples .value").all_inner_texts()
        assert sorted(text for text in values if text != "\N{EN DASH}") == expected


def test_each_filter_shows_the_right_rows_and_counts_them(browser: Browser, made: Path) -> None:
    """Severity, code, column and text; alone and together; and all comes back."""
    with opened(browser, made) as seen:
        page = seen.page
        page.get_by_role("button", name="Open all").click()
        assert len(shown_rows(page)) == 60
        page.get_by_label("Severity").select_option("warning")
        assert shown_codes(page) == {"unlikely-phone"}
        assert shown_rows(page) == set(range(2, 60, 3))
        assert status(page) == "Showing 20 of 60 issues, 20 of 60 examples"
        page.get_by_label("Column", exact=True).select_option("mobile")
        assert shown_rows(page) == {n for n in range(60) if n % 3 == 2 and n % 4 == 2}
        page.get_by_label("Severity").select_option("")
        page.get_by_label("Issue", exact=True).select_option("invalid-date")
        assert shown_rows(page) == {n for n in range(60) if n % 3 == 1 and n % 4 == 2}
        page.get_by_label("Column", exact=True).select_option("(whole row)")
        assert shown_rows(page) == {n for n in range(60) if n % 3 == 1 and n % 4 == 3}
        page.get_by_role("button", name="Clear").click()
        assert len(shown_rows(page)) == 60
        assert status(page) == "60 issues, 60 examples"
        page.get_by_label("Search").fill("invalid-EMAIL k12 ")
        assert shown_rows(page) == {12}
        assert status(page) == "Showing 1 of 60 examples, of 1 of 3 codes"
        page.get_by_label("Search").fill("no such thing")
        assert shown_rows(page) == set()
        assert page.get_by_text("No issue on this page matches").is_visible()
        assert seen.is_quiet


def test_a_search_opens_what_it_finds_and_closes_it_again(browser: Browser, made: Path) -> None:
    """A match within a closed card would not be seen; a card that the reader opened stays open."""
    with opened(browser, made) as seen:
        page = seen.page
        mine = page.locator("details[data-code=unlikely-phone]")
        mine.locator("summary").click()
        page.get_by_label("Search").fill("K12")
        assert shown_rows(page) == {12}
        page.get_by_label("Search").fill("")
        assert page.locator("#codes > details[open]").count() == 1
        assert mine.get_attribute("open") is not None


def test_everything_can_be_done_by_keyboard(browser: Browser, made: Path) -> None:
    """The skip link, the filters and the cards, in the order of the page, with a focus that is seen."""
    with opened(browser, made) as seen:
        page = seen.page
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED) == "Skip to the report"
        assert page.evaluate("() => document.activeElement.getBoundingClientRect().left") >= 0
        visited = []
        for _ in range(40):
            page.keyboard.press("Tab")
            visited.append(page.evaluate(FOCUSED))
            assert page.evaluate(OUTLINE) != "none", visited
            if visited[-1] == "f-text":
                break
        page.keyboard.type("K12")
        assert shown_rows(page) == {12}
        page.keyboard.press("Escape")
        assert len(shown_codes(page)) == 3
        page.keyboard.press("Tab")
        page.keyboard.type("W")  # a list takes the first letter of a choice
        assert shown_codes(page) == {"unlikely-phone"}
        for _ in range(3):
            page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED) == "f-clear"
        page.keyboard.press("Enter")
        assert len(shown_codes(page)) == 3
        assert page.evaluate(FOCUSED) == "f-text"
        page.locator("summary").first.focus()
        page.keyboard.press("Space")
        assert page.locator("#codes > details").first.get_attribute("open") is not None


def test_a_command_is_copied_whole(browser: Browser, made: Path) -> None:
    """What is on the clipboard is what is read, and the button says that it is."""
    with opened(browser, made, permissions=["clipboard-read", "clipboard-write"]) as seen:
        page = seen.page
        page.get_by_role("button", name="Copy the command").first.click()
        page.get_by_role("button", name="Copied").wait_for()
        assert page.evaluate("() => navigator.clipboard.readText()") == "memory-importer explain invalid-email"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a page with hostile keys, values, columns, file names, mapping, store and notes."""
    folder = tmp_path_factory.mktemp("hostile")
    issues: list[Issue] = [(n, "invalid-email", "error", text, text, text) for n, text in enumerate(HOSTILE)]
    keys = dict(enumerate(HOSTILE))
    write_issues(folder, issues, key=HOSTILE[0], keys=keys, files=(HOSTILE[1],), show_values=True)
    write_merges(folder, [2], key=HOSTILE[2], value=HOSTILE[3])
    base = full_report()
    assert base.source is not None
    assert base.mapping is not None
    assert base.target is not None
    return page_of(
        folder,
        base.model_copy(
            update={
                "source": base.source.model_copy(update={"files": HOSTILE, "notes": HOSTILE}),
                "mapping": base.mapping.model_copy(update={"name": HOSTILE[2]}),
                "target": base.target.model_copy(update={"store_name": HOSTILE[1], "host": HOSTILE[0]}),
                "repairs": dict.fromkeys(HOSTILE, 1),
                "cleared": dict.fromkeys(HOSTILE, 1),
                "notes": HOSTILE,
                "hints": HOSTILE,
            }
        ),
    )


def test_hostile_cells_stay_text(browser: Browser, hostile: Path) -> None:
    """No element is made of them, no dialog opens, nothing is fetched; and they are there to be read."""
    with opened(browser, hostile) as seen:
        page = seen.page
        page.get_by_role("button", name="Open all").click()
        assert page.locator("script").count() == 1
        assert page.locator("img, iframe, link, [onerror], [onload], [style]").count() == 0
        values = page.locator("#code-invalid-email .examples td.value").all_inner_texts()
        assert values[:5] == list(HOSTILE[:5])
        assert values[5:8] == ["a\\u2028b\\u2029c", "abc\\u202egpj.exe", "\\u001b[31mred\\u001b[0m\\u0000"]
        assert values[8].endswith("… (10000 characters)")
        assert too_wide_px(page) <= 0
        page.get_by_label("Search").fill("<script>alert(1)")
        assert shown_rows(page) == {0}
        assert seen.is_quiet, (seen.requests, seen.complaints)


def test_even_injected_markup_could_do_nothing(browser: Browser, made: Path) -> None:
    """The policy of the page stops scripts, handlers, pictures, and text that is made into elements."""
    with opened(browser, made) as seen:
        stopped: list[str | None] = []
        seen.page.on("requestfailed", lambda request: stopped.append(request.failure))
        seen.page.evaluate(INJECT)
        seen.page.wait_for_function("() => ['img-src', 'style-src-elem'].every((name) => refused.includes(name))")
        assert seen.page.evaluate("() => refused.filter((reason) => reason === 'by type').length") == 3
        assert seen.page.evaluate("() => window.clicked") is None
        assert seen.complaints  # so the other tests would hear of it
        assert stopped == ["csp"] * (len(seen.requests) - 1)


def test_a_page_that_fetches_is_noticed(browser: Browser, tmp_path: Path) -> None:
    """The watch that the other tests rely on sees a request, a script's error and a dialog."""
    path = tmp_path / "bad.html"
    path.write_text('<img src="http://127.0.0.1:9/x.png"><script>alert(1); throw new Error("no")</script>')
    with opened(browser, path) as seen:
        seen.page.wait_for_load_state()
        assert seen.requests == [seen.address, "http://127.0.0.1:9/x.png"]
        assert {text.split(":")[0] for text in seen.complaints} >= {"dialog", "error"}


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_text_stands_out_and_everything_has_a_name(browser: Browser, made: Path, colours: Any) -> None:
    """Each text has a contrast of 4.5 to 1, bars and edges 3 to 1; controls, tables and sections say what they are."""
    with opened(browser, made, color_scheme=colours) as seen:
        seen.page.locator("details").evaluate_all("all => all.forEach((e) => { e.open = true; })")
        assert faint_texts(seen.page) == []
        contrasts = shape_contrasts(seen.page)
        assert len(contrasts) > 20
        assert min(contrasts)[0] >= 3, contrasts[:3]
        assert unnamed(seen.page) == []
        assert [seen.page.locator(name).count() for name in ("header", "main", "footer", "nav", "h1")] == [1] * 5
        background = seen.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(252, 252, 251)") is (colours == "light")


def test_a_telephone_needs_no_sideways_scrolling(browser: Browser, run: Path, made: Path) -> None:
    """At 360 pixels, with everything open; wide tables scroll in a box of their own."""
    for path in (run / "report.html", made):
        with opened(browser, path, viewport=PHONE) as seen:
            seen.page.locator("details").evaluate_all("all => all.forEach((e) => { e.open = true; })")
            assert too_wide_px(seen.page) <= 0
            boxes = seen.page.locator(".scroll").evaluate_all(
                "all => all.filter((e) => e.scrollWidth > e.clientWidth && e.tabIndex !== 0).length"
            )
            assert boxes == 0


def test_paper_shows_what_a_click_would(browser: Browser, made: Path, tmp_path: Path) -> None:
    """Printing opens every card and leaves the controls out; afterwards the page is as it was."""
    with opened(browser, made) as seen:
        page = seen.page
        before = page.locator("details[open]").count()
        page.evaluate(
            "() => addEventListener('beforeprint', () => { window.printed ="
            " document.querySelectorAll('details:not([open])').length; })"
        )
        assert page.pdf(path=tmp_path / "report.pdf", format="A4").startswith(b"%PDF")
        assert page.evaluate("() => window.printed") == 0
        assert page.locator("details[open]").count() == before
        page.emulate_media(media="print")
        assert page.locator("#filter").is_hidden()
        assert page.locator("nav").is_hidden()


def test_without_scripts_everything_can_be_read(browser: Browser, made: Path) -> None:
    """As where a mail program shows the page: no controls that do nothing, all cards and codes."""
    with opened(browser, made, java_script_enabled=False) as seen:
        assert seen.page.locator("#filter").is_hidden()
        assert seen.page.locator("#codes > details").count() == len(CODES)
        seen.page.locator("#code-unlikely-phone summary").click()
        assert seen.page.get_by_text(CATALOGUE["unlikely-phone"].fix).is_visible()
        assert seen.is_quiet
