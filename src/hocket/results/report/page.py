"""The page around the charts: one HTML file with its style and script inside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from hocket.errors import ConfigurationError
from hocket.results.files import replacing
from hocket.results.report.comparison import several
from hocket.results.report.single_run import one, title_of
from hocket.results.run_folder import SavedRun

REPORT = "report.html"


def write_report(runs: Sequence[SavedRun], path: Path) -> None:
    """Write a report of one run, or a comparison of several, into the file ``path``.

    Raises:
        ConfigurationError: if there is no run, or the file cannot be written.
    """
    if not runs:
        raise ConfigurationError("no run to report on; give at least one")
    text = page(runs)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace")  # half a surrogate pair cannot be encoded


def page(runs: Sequence[SavedRun]) -> str:
    """Return the HTML."""
    title = title_of(runs[0]) if len(runs) == 1 else f"{len(runs)} runs compared"
    body = one(runs[0]) if len(runs) == 1 else several(runs)
    here = files(__package__)
    style, script = ((here / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} – hocket</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body><main>{body}</main>"
        f"<footer>hocket {escape(version('hocket'))}</footer><script>{script}</script></body></html>\n"
    )
