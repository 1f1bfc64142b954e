"""A real browser for pages on disk: Debian's chromium, without a window and without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)
PATIENCE_MS: Final = 30_000

_WIDER: Final = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
_FAINT_TEXT: Final = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const linear = [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.getClientRects().length) continue;
    if (element.matches("script, option")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)} ${texts.currentNode.data.trim()}`);
  }
  return faint;
}"""
_SHAPES: Final = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const linear = [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (one, other) => {
    const [a, b] = [light(parse(one)), light(parse(other))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const page = getComputedStyle(document.body).backgroundColor;
  const fills = [...document.querySelectorAll(".f-good, .f-accent, .f-calm, .f-warn, .f-bad, .share rect")]
    .map((e) => [e.getAttribute("class") || "share", contrast(getComputedStyle(e).fill, page)]);
  const edges = [...document.querySelectorAll("input, select, button:enabled")]
    .map((e) => [e.id || e.textContent, contrast(getComputedStyle(e).borderTopColor, page)]);
  return [...fills, ...edges].map(([name, ratio]) => `${ratio.toFixed(2)} ${name}`);
}"""
_UNNAMED: Final = """() => [
  ...[...document.querySelectorAll("input, select")].filter((e) => !e.labels.length),
  ...[...document.querySelectorAll("button, summary, a")].filter((e) => !e.textContent.trim()),
  ...[...document.querySelectorAll("th:not([aria-hidden])")].filter((e) => !e.scope),
  ...[...document.querySelectorAll("table")].filter((e) => !e.caption || !e.tHead),
  ...[...document.querySelectorAll("section")].filter((e) => !e.ariaLabelledByElements?.length),
].map((e) => e.outerHTML.slice(0, 120))"""


@dataclass
class Opened:
    """A page in the browser, and all that it did that no report may do.

    Attributes:
        page: The page.
        address: Of the file.
        requests: What it asked for, the file itself first.
        complaints: Console messages, errors of scripts, and dialogs.
    """

    page: Page
    address: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def is_quiet(self) -> bool:
        """It asked for nothing but itself, and nobody complained."""
        return self.requests == [self.address] and not self.complaints


def chromium_path() -> str:
    """Return where the browser is; skip the test where there is none, unless this is CI."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail("chromium is missing; .ci/run installs it")
    pytest.skip("chromium is not installed (apt-get install chromium)")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser with a profile of its own."""
    path = chromium_path()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, path: Path, **options: Any) -> Iterator[Opened]:
    """Open a file in a window of its own; `options` are those of a browser context."""
    with browser.new_context(offline=True, **options) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        seen = Opened(page, path.absolute().as_uri())
        context.on("request", lambda request: seen.requests.append(request.url))
        context.on("console", lambda message: seen.complaints.append(f"console: {message.text}"))
        context.on("weberror", lambda error: seen.complaints.append(f"error: {error.error}"))
        # A dialog waits for an answer and nothing else runs meanwhile.
        page.on("dialog", lambda dialog: _dismiss(dialog, seen))
        page.goto(seen.address)
        yield seen


def _dismiss(dialog: Dialog, seen: Opened) -> None:
    seen.complaints.append(f"dialog: {dialog.message}")
    dialog.dismiss()


def too_wide_px(page: Page) -> int:
    """Return how far the page goes beyond the window's right edge."""
    wider: int = page.evaluate(_WIDER)
    return wider


def faint_texts(page: Page) -> list[str]:
    """Return the texts that can be seen and have a contrast below 4.5 to 1 with what is behind them."""
    found: list[str] = page.evaluate(_FAINT_TEXT)
    return found


def shape_contrasts(page: Page) -> list[tuple[float, str]]:
    """Return the contrast with the page of all that is seen by its colour: segments, bars, edges of controls."""
    found: list[str] = page.evaluate(_SHAPES)
    return sorted((float(ratio), name) for ratio, name in (text.split(" ", 1) for text in found))


def unnamed(page: Page) -> list[str]:
    """Return controls without a label, tables without a caption or scopes, and sections without a heading."""
    found: list[str] = page.evaluate(_UNNAMED)
    return found
