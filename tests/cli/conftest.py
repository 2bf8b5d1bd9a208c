"""The ``hocket`` command as a fixture."""

import sys

import pytest

from hocket.cli import main


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder: its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["hocket", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as exit:
            code = exit.code or 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call
