"""``hocket report`` and ``hocket trace``, as typed."""

import json
import re
from pathlib import Path

import pytest
from command_output import read, refused

VIRTUAL = (
    "run",
    "--env",
    "CartPole-v1",
    "--seconds",
    "4",
    "--clock",
    "virtual",
    "--latency",
    "0.03",
    "--policy",
    "random",
)
TRAIN = (
    *("train", "--env", "CartPole-v1", "--clock", "virtual", "--latency", "0.02", "--pending", "2", "--width", "0.2"),
    *("--batch-size", "8", "--warm-up", "50", "--evaluate-every", "150", "--evaluation-episodes", "2"),
    *("--capacity", "300", "--ticks", "300"),
)


@pytest.fixture
def saved(command):
    """A folder with a run of each of three seeds, and one by another rule."""
    for seed in range(3):
        assert command(*VIRTUAL, "--seed", seed, "--out", f"runs/a-{seed}")[0] == 0
    assert command(*VIRTUAL, "--rule", "sequential", "--out", "runs/alone")[0] == 0
    return command


@pytest.mark.parametrize("name", ["report", "trace"])
def test_they_explain_themselves_in_80_columns(command, name):
    code, out, err = command(name, "--help")
    assert (code, err) == (0, "") and "usage: hocket" in out
    assert max(map(len, out.splitlines()[1:])) <= 80


def test_a_saved_run_has_its_report_and_a_new_one_is_the_same(saved):
    report = Path("runs/a-0/report.html")
    before = report.read_text()
    report.unlink()
    assert saved("report", "runs/a-0") == (0, "Written to runs/a-0/report.html\n", "")
    assert report.read_text() == before
    coverage = read("runs/a-0/summary.json")["coverage"]
    assert f"<b>{coverage:.1%}</b>" in before


def test_runs_are_compared(saved):
    code, out, err = saved("report", "runs/a-0", "runs/a-1", "runs/a-2", "runs/alone", "--out", "new/compared.html")
    assert (code, out, err) == (0, "Written to new/compared.html\n", "")
    text = Path("new/compared.html").read_text()
    assert "CartPole-v1: 4 runs compared" in text and "a (3 seeds)" in text and "alone" in text
    mean = sum(read(f"runs/a-{seed}/summary.json")["coverage"] for seed in range(3)) / 3
    assert f"<td>{100 * mean:.1f}" in text
    assert saved("report", "runs/a-0", "runs/alone")[1] == "Written to report.html\n"


@pytest.mark.slow
def test_a_training_is_reported_by_its_folder(command):
    assert command(*TRAIN, "--out", "t")[0] == 0
    code, out, _ = command("report", "t")
    assert (code, out) == (0, "Written to t/run-000000000/report.html\n")
    text = Path("t/run-000000000/report.html").read_text()
    assert "Evaluations" in text and "<figcaption>Loss" in text and "options.batch_size" in text
    assert command(*TRAIN, "--learners", 2, "--update-latency", "0.1", "--out", "u")[0] == 0
    code, out, _ = command("report", "t", "u")
    assert (code, out) == (0, "Written to report.html\n")
    rows = re.findall(r"<tr>(.*?)</tr>", Path("report.html").read_text())
    assert any("options.learners" in row and "<td>1</td><td>2</td>" in row for row in rows)
    assert "final evaluation" in Path("report.html").read_text()


@pytest.mark.slow
def test_a_trace_and_a_piece_of_it(saved):
    whole = read("runs/a-0/trace.json")
    code, out, err = saved("trace", "runs/a-0", "--out", "whole.json")
    assert (code, err) == (0, "") and "Written to whole.json" in out and "ui.perfetto.dev" in out
    assert read("whole.json") == whole
    assert saved("trace", "runs/a-0", "--start", 1, "--duration", 0.5, "--out", "piece.json")[0] == 0
    ticks = [x["args"]["tick"] for x in read("piece.json")["traceEvents"] if x.get("cat") == "tick"]
    assert ticks == list(range(50, 75))  # CartPole: 50 Hz


def test_damage_is_reported_with_the_rest(saved):
    Path("runs/a-0/ticks.npz").write_bytes(b"PK")
    code, out, err = saved("report", "runs/a-0")
    assert (code, err) == (0, "") and "a-0: ticks.npz is damaged" in out
    assert "ticks.npz is damaged" in Path("runs/a-0/report.html").read_text()


def test_invalid_reports_are_refused(saved):
    refused(saved("report"), "no run was named", "runs/demo")
    refused(saved("report", "nowhere"), "nowhere is not there")
    refused(saved("report", "runs"), "runs is no run folder")
    refused(saved("report", "runs/a-0/run.json"), "is no folder")
    refused(saved("report", "runs/a-0", "--out", "runs"), "runs is a folder")
    index = read("runs/a-1/run.json")
    Path("runs/a-1/run.json").write_text(json.dumps({**index, "format_version": 2, "hocket": "9.9"}))
    refused(saved("report", "runs/a-0", "runs/a-1"), "version 2", "hocket 9.9", "up to 1")
    refused(saved("trace", "runs/a-0", "--start", "-1"), "--start -1.0 must be at least 0")
    refused(saved("trace", "runs/a-0", "--start", "99"), "--start 99 must be before the run's end at 4 s")
    for name in ("trace.bin", "inferences.npz"):
        Path("runs/a-0", name).unlink()
    refused(saved("trace", "runs/a-0"), "no schedule that can be read", "trace.bin is missing")
