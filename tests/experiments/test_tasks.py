import csv
import time
from dataclasses import dataclass

import pytest

from hocket.experiments import tasks
from hocket.experiments.tasks import command, perform, read_rows


@dataclass(frozen=True)
class Square:
    number: int
    slow_s: float = 0.0

    @property
    def cell(self):
        return f"square-{self.number % 2}"

    @property
    def name(self):
        return f"square-{self.number}"

    def play(self):
        if self.number < 0:
            raise ValueError("no such square")
        time.sleep(self.slow_s)
        return [{"number": self.number, "square": self.number**2}]


@pytest.mark.slow
def test_finished_tasks_are_not_run_again(tmp_path):
    assert perform([Square(2), Square(3)], tmp_path, processes=2) == []
    assert {path.name for path in tmp_path.iterdir()} == {"square-2.csv", "square-3.csv"}
    (row,) = read_rows(tmp_path / "square-3.csv")
    assert (row["number"], row["square"]) == ("3", "9") and float(row["wall_s"]) >= 0
    (tmp_path / "square-2.csv").write_text("square,wall_s\nkept,0.1\n")
    assert perform([Square(2), Square(3), Square(4)], tmp_path, processes=1) == []
    assert read_rows(tmp_path / "square-2.csv")[0]["square"] == "kept"
    assert read_rows(tmp_path / "square-4.csv")[0]["square"] == "16"


def test_one_that_fails_stops_no_other(tmp_path, capsys):
    assert perform([Square(-1), Square(2)], tmp_path, processes=1) == ["square--1"]
    assert [path.name for path in tmp_path.iterdir()] == ["square-2.csv"]
    assert "no such square" in capsys.readouterr().out


def test_nothing_is_started_that_would_end_too_late(tmp_path):
    # Known: odd ones take 100 s, even ones no time. A minute is left.
    (tmp_path / "square-1.csv").write_text("number,square,wall_s\n1,1,100\n")
    (tmp_path / "square-2.csv").write_text("number,square,wall_s\n2,4,0.1\n")
    left = perform([Square(n) for n in (1, 2, 3, 4, 5)], tmp_path, processes=1, minutes=1)
    assert left == ["square-3", "square-5"]


def call(monkeypatch, collected, *arguments):
    monkeypatch.setattr("sys.argv", ["experiment", *map(str, arguments)])
    command("Squares.", [Square(2), Square(3), Square(10)], ("square",), collected.append)


def test_the_command_plays_what_matches_and_collects_what_is_there(tmp_path, monkeypatch, capsys):
    collected = []
    call(monkeypatch, collected, "--out", tmp_path, "--only", "*-1*", "--list")
    assert capsys.readouterr().out == "square-10\n"
    call(monkeypatch, collected, "--out", tmp_path, "--processes", 1, "--only", "*-1*", "--only", "*-2")
    call(monkeypatch, collected, "--out", tmp_path, "--collect")
    assert collected == [[{"square": "4"}, {"square": "100"}]]
    with pytest.raises(SystemExit):
        call(monkeypatch, collected, "--out", tmp_path, "--minutes", 0)
    assert "square-3" in capsys.readouterr().out


def test_rows_are_written_whole(tmp_path):
    tasks.write_rows(tmp_path / "table.csv", [{"a": 1, "b": 2}], ["b"])
    with (tmp_path / "table.csv").open() as file:
        assert list(csv.reader(file)) == [["b"], ["2"]]
