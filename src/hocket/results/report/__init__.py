"""``report.html``: one file that shows a run or compares several; needs no network, library or JavaScript."""

from hocket.results.report.page import REPORT, write_report

__all__ = ["REPORT", "write_report"]
