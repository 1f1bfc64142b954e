"""Every code that a report may show is explained by the catalogue."""

from __future__ import annotations

import re

from importer.core import lifecycle
from importer.core.issue_catalogue import CATALOGUE


def test_every_code_of_a_delivery_is_in_the_catalogue() -> None:
    """A row that was not plainly delivered has a code that `explain` knows."""
    codes = {value for name, value in vars(lifecycle).items() if name.startswith("CODE_")}
    assert codes
    assert codes <= set(CATALOGUE)


def test_codes_are_kebab_case_and_explained() -> None:
    """Each entry has a title, a cause and a fix."""
    for code, entry in CATALOGUE.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code), code
        assert entry.code == code
        assert entry.title
        assert entry.cause
        assert entry.fix
