import json
import os
import signal
import subprocess
import sys
from array import array
from dataclasses import asdict, dataclass
from pathlib import Path

import by_hand
import gymnasium as gym
import numpy as np
import pytest

import hocket
from hocket.core.rules import TickDispatch, Unstaggered
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError, TraceError
from hocket.results.report.page import page
from hocket.results.run_folder import NEEDED, read_run, read_runs
from hocket.results.training_log import Evaluated, TrainingLog
from hocket.running.result import RunResult
from hocket.testing import replay

VIRTUAL = hocket.Virtual(hz="59.7275", latency=hocket.LogNormal(0.05, 0.4))
COLUMNS = ("ticks", "rewards", "terminated", "truncated", "lateness_ns", "step_ns")


def still(observation):
    return 0


def run(env=None, *, ticks=80, rule=hocket.TickDispatch(3), policy=still, seed=1):  # noqa: B008
    return hocket.run(
        NullEnv(episode_ticks=25) if env is None else env, policy, rule, VIRTUAL, ticks=ticks, seed=seed,
        default=hocket.RepeatLast(), config={"width": 3},
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run().save(tmp_path_factory.mktemp("runs") / "a")


@pytest.fixture
def copied(folder, tmp_path):
    """A copy to damage."""
    target = tmp_path / "copy"
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def same(one, other):
    """Everything that a record has."""
    assert one.trace.rows == other.trace.rows
    assert (one.trace.rule, one.trace.cadence, one.trace.head_ns) == (
        other.trace.rule,
        other.trace.cadence,
        other.trace.head_ns,
    )
    for name in COLUMNS:
        before, after = getattr(one, name), getattr(other, name)
        assert isinstance(after, array) and after.typecode == before.typecode and after == before, name
    assert len(one.actions) == len(other.actions)
    for before, after in zip(one.actions, other.actions, strict=True):
        assert np.array_equal(before, after)
        assert np.asarray(before).dtype == np.asarray(after).dtype
    assert one.final_observations.keys() == other.final_observations.keys()
    for tick, observation in one.final_observations.items():
        assert np.array_equal(observation, other.final_observations[tick])
        assert observation.dtype == other.final_observations[tick].dtype
    assert (one.errors, one.learning_errors) == (other.errors, other.learning_errors)
    assert (one.notes, one.signal) == (other.notes, other.signal)
    assert (one.loop_cpu_s, one.wall_s) == (other.loop_cpu_s, other.wall_s)


# -- there and back --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["CartPole-v1", "Pendulum-v1"])
def test_a_loaded_run_equals_the_saved_one(tmp_path, id):
    env = gym.make(id, max_episode_steps=30)
    action = 0 if id == "CartPole-v1" else np.full(1, 0.25, np.float32)
    result = run(env, policy=lambda observation: action)
    assert len(result.record.final_observations) >= 2
    loaded = hocket.load(result.save(tmp_path / "x"))
    same(result.record, loaded.record)
    assert loaded.summary() == result.summary()
    assert loaded.config["env"] == id and loaded.config["width"] == 3 and loaded.learning is None
    replay(loaded.record.trace)


def test_a_folder_of_an_older_format_is_refused_by_name():
    saved = Path(__file__).parent / "data" / "run_of_93964ce"
    for read in (hocket.load, read_run):
        with pytest.raises(
            TraceError, match=r"version 1; this hocket reads .* versions \(2, 3, 4, 5\) only; run it again, or use"
        ):
            read(saved)


def test_a_folder_that_was_committed_before():
    saved = Path(__file__).parent / "data" / "run_of_version_2"
    loaded = hocket.load(saved)
    record, summary = loaded.record, loaded.summary()
    assert len(record.ticks) == 50 and sum(record.rewards) == 50 and record.actions[:6] == [0, 1, 1, 1, 1, 0]
    assert (summary.coverage, summary.delay_mean, summary.episodes, summary.return_mean) == (0.8, 3.75, 2, 23)
    assert summary.outcomes["executed"] == 40 and summary.outcomes["discarded"] == 10
    kept, now = json.loads((saved / "summary.json").read_text()), json.loads(json.dumps(asdict(summary)))
    assert now["outcomes"].pop("cancelled") == 0  # such an end did not exist
    assert {name: now[name] for name in kept} == kept
    assert now.keys() - kept.keys() == {"age_p50_s", "age_p99_s", "clipped", "uncorrected", "seams"}  # nor did these
    assert record.trace.rule == hocket.TickDispatch(2) and loaded.config["env"] == "CartPole-v1"
    replay(record.trace)


def test_saving_what_was_loaded_gives_the_same_files(folder, tmp_path):
    again = hocket.load(folder).save(tmp_path / "again")
    for name in NEEDED:
        assert (again / name).read_bytes() == (folder / name).read_bytes() or name.endswith(".npz"), name
    same(hocket.load(folder).record, hocket.load(again).record)


def test_missed_ticks_failures_errors_and_interrupts_come_back(tmp_path):
    record = by_hand.story()
    record.errors, record.signal = ["Traceback: no network today"], signal.SIGTERM
    record.learning_errors = ["Traceback: diverged"]
    record.notes = ["no real-time priority"]
    record.final_observations[5] = np.arange(3.0)
    record.wall_s, record.loop_cpu_s = 0.0625, 1 / 3
    loaded = hocket.load(RunResult(record).save(tmp_path))
    same(record, loaded.record)
    assert loaded.metrics().missed == 1
    assert loaded.metrics().outcomes == RunResult(record).metrics().outcomes


def test_a_run_without_an_answer_or_an_episode(tmp_path):
    slow = hocket.Virtual(hz=60, latency=hocket.Constant(100.0))
    result = hocket.run(NullEnv(), still, hocket.TickDispatch(2), slow, ticks=5)
    same(result.record, hocket.load(result.save(tmp_path)).record)


def test_a_run_that_was_interrupted_before_its_first_tick(tmp_path):
    record = by_hand.played([by_hand.e.WorkerJoined(0, 0), by_hand.e.Ticked(0, 0)])
    record.signal = signal.SIGINT
    path = RunResult(record).save(tmp_path)
    same(record, hocket.load(path).record)
    assert "interrupted" in (path / "report.html").read_text()


def test_learning_comes_back(tmp_path):
    learning = TrainingLog(
        evaluations=(Evaluated(100, np.array([1.0, 2.0])), Evaluated(200, np.array([3.0]))),
        final=Evaluated(200, np.array([4.0, 5.0, 6.0])),
        updates=7,
        losses=np.array([0.5, 0.25]),
        stalenesses=np.array([0, 3]),
        started_ns=np.array([1, 2]),
        landed_ns=np.array([3, 4]),
        first_tick=50,
        error="diverged",
    )
    path = RunResult(by_hand.story(), {}, learning).save(tmp_path)
    loaded = hocket.load(path).learning
    assert [(tick, returns.tolist()) for tick, returns in loaded.evaluations] == [(100, [1, 2]), (200, [3])]
    assert (loaded.final.tick, loaded.final.returns.tolist()) == (200, [4, 5, 6])
    assert (loaded.updates, loaded.first_tick, loaded.error) == (7, 50, "diverged")
    assert loaded.losses.tolist() == [0.5, 0.25] and loaded.stalenesses.tolist() == [0, 3]
    assert loaded.started_ns.tolist() == [1, 2] and loaded.landed_ns.tolist() == [3, 4]
    with pytest.raises(ConfigurationError, match=r"holds the record of a training \(learning.npz\).*another folder"):
        RunResult(by_hand.story()).save(tmp_path)
    assert hocket.load(path).learning.updates == 7
    assert hocket.load(RunResult(by_hand.story()).save(tmp_path / "run")).learning is None


def test_the_config_of_a_training_without_a_checkpoint_is_left_alone(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"holds a config.json of no run, such as that of a training"):
        RunResult(by_hand.story()).save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]


def test_learning_without_anything_comes_back():
    none = TrainingLog(
        evaluations=(), final=None, updates=0, losses=np.empty(0), stalenesses=np.empty(0, np.int64),
        started_ns=np.empty(0, np.int64), landed_ns=np.empty(0, np.int64),
    )  # fmt: skip
    back = TrainingLog.of_columns(none.columns())
    assert (back.evaluations, back.final, back.updates, back.error) == ((), None, 0, None)


@dataclass(frozen=True)
class Own(Unstaggered):
    """A rule that hocket does not know."""


def test_a_rule_of_ones_own_is_needed_for_a_replay_only(tmp_path):
    result = run(rule=Own(2))
    loaded = hocket.load(result.save(tmp_path))
    assert loaded.summary() == result.summary()
    with pytest.raises(TraceError, match=r"'Own'.* not one of hocket's rules; pass it"):
        replay(loaded.record.trace)
    replay(hocket.load(tmp_path, rule=Own(2)).record.trace)
    again = loaded.save(tmp_path / "again")
    assert json.loads((again / "config.json").read_text())["rule"]["name"] == "Own"
    same(result.record, hocket.load(again, rule=Own(2)).record)


# -- damage ----------------------------------------------------------------------------------------------------


def test_a_whole_folder_has_no_problems(folder):
    saved = read_run(folder)
    assert saved.problems == () and saved.name == "a" and set(NEEDED) <= {file.name for file in folder.iterdir()}


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("how", ["missing", "empty", "cut"])
def test_one_damaged_file_is_named_and_the_rest_is_read(copied, folder, name, how):
    content = (copied / name).read_bytes()
    if how == "missing":
        (copied / name).unlink()
    else:
        (copied / name).write_bytes(content[: len(content) // 2] if how == "cut" else b"")
    with pytest.raises(TraceError, match=name.replace(".", r"\.")):
        hocket.load(copied)
    saved, whole = read_run(copied), read_run(folder)
    assert len(saved.problems) == 1 and saved.problems[0].startswith(name)
    assert saved.summary["coverage"] == whole.summary["coverage"]
    for figure in ("coverage", "missed", "outcomes"):
        assert getattr(saved.metrics, figure) == getattr(whole.metrics, figure)
    assert saved.metrics.delays.tolist() == whole.metrics.delays.tolist()
    assert saved.metrics.lateness_s.tolist() == ([] if name == "ticks.npz" else whole.metrics.lateness_s.tolist())


def test_without_the_index_a_cut_file_is_still_found(copied):
    (copied / "run.json").unlink()
    for name in ("trace.bin", "inferences.npz"):
        content = (copied / name).read_bytes()
        (copied / name).write_bytes(content[:-100])
    problems = read_run(copied).problems
    assert [problem.split()[0].rstrip(":") for problem in problems] == ["run.json", "trace.bin", "inferences.npz"]
    assert read_run(copied).metrics is None and read_run(copied).summary["ticks"] == 80


def test_a_table_of_something_else_is_damage(copied):
    (copied / "run.json").unlink()
    np.savez(copied / "ticks.npz", tick=np.arange(3))
    assert any("ticks.npz is damaged (it has no column action)" in problem for problem in read_run(copied).problems)
    (copied / "summary.json").write_text("[1]")
    assert any("summary.json is damaged (it holds no object)" in problem for problem in read_run(copied).problems)


def test_a_newer_version_names_both(copied):
    index = json.loads((copied / "run.json").read_text())
    (copied / "run.json").write_text(json.dumps({**index, "format_version": 99, "hocket": "7.1"}))
    with pytest.raises(
        TraceError, match=r"version 99 .* hocket 7\.1; this one, hocket \S+, reads up to 1; try a newer"
    ):
        hocket.load(copied)


def test_a_trace_of_a_newer_version_names_both(copied):
    content = (copied / "trace.bin").read_bytes()
    (copied / "trace.bin").write_bytes(content.replace(b'"version": 5', b'"version": 6', 1))
    for read in (hocket.load, read_run, lambda path: read_runs([path, path], ["a", "b"])):
        with pytest.raises(TraceError, match=r"version 6; this hocket reads .* versions \(2, 3, 4, 5\) only"):
            read(copied)


def test_other_folders_are_refused(tmp_path):
    for path, why in ((tmp_path / "x", "is not there"), (tmp_path, "is no run folder")):
        with pytest.raises(TraceError, match=why):
            hocket.load(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(TraceError, match="is no folder; give a folder that a run saved"):
        hocket.load(tmp_path / "file")
    (tmp_path / "run.json").write_text('{"format": "other", "format_version": 1}')
    with pytest.raises(TraceError, match="has format 'other', not 'hocket-run'"):
        hocket.load(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(TraceError, match=r"nothing of .* can be read: run.json is damaged"):
        hocket.load(tmp_path)


# -- damage of every kind is a problem in words, never a traceback ----------------------------------------------


def changed(path, **values):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **values}))


def without_sizes(copied):
    changed(copied / "run.json", bytes=None)


def with_column(path, name, values):
    with np.load(path) as archive:
        columns = {each: archive[each] for each in archive.files}
    np.savez_compressed(path, **{**columns, name: values})


@pytest.mark.parametrize(
    ("file", "values", "problem"),
    [
        ("config.json", {"clock": "x"}, "config.json: clock is 'x', not of type dict"),
        ("config.json", {"rule": [1]}, "config.json: rule is [1], not of type dict"),
        ("config.json", {"machine": 3}, "config.json: machine is 3, not of type dict"),
        ("summary.json", {"workers": 7}, "summary.json: workers is 7, not of type dict"),
        (
            "summary.json",
            {"outcomes": {"executed": "x"}},
            "summary.json: outcomes is {'executed': 'x'}, not an object of",
        ),
        ("run.json", {"epoch_ns": True}, "run.json: epoch_ns is True, not of type int"),
        ("run.json", {"errors": 5}, "run.json: errors is 5, not of type list"),
        ("run.json", {"wall_s": 10**30}, "run.json is damaged (it holds a number beyond ±2⁶²)"),
    ],
)
def test_a_value_of_another_type_is_left_out_and_named(copied, file, values, problem):
    changed(copied / file, **values)
    saved = read_run(copied)
    assert any(found.startswith(problem) for found in saved.problems), saved.problems
    assert saved.metrics is not None and "could be read" in page([saved])


def test_numbers_that_are_not_finite_are_not_there(copied):
    text = (copied / "summary.json").read_text()
    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        (copied / "summary.json").write_text(text.replace('"ticks": 80', f'"ticks": {number}'))
        saved = read_run(copied)
        assert saved.problems == () and np.isnan(saved.summary["ticks"]), number
        assert "n/a" in page([saved])


def test_deep_nesting_is_damage(copied):
    (copied / "config.json").write_text('{"a":' + "[" * 300 + "]" * 300 + "}")
    assert read_run(copied).problems == ("config.json is damaged (it is nested more than 40 levels deep)",)
    (copied / "config.json").write_text('{"a":' * 100_000)
    (problem,) = read_run(copied).problems
    assert problem.startswith("config.json is damaged (")


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("damage", ["empty", "folder", "cut"])
def test_an_empty_file_a_folder_and_a_cut_file(copied, name, damage):
    without_sizes(copied)
    content = (copied / name).read_bytes()
    (copied / name).unlink()
    if damage == "folder":
        (copied / name).mkdir()
    else:
        (copied / name).write_bytes(b"" if damage == "empty" else content[: len(content) // 2])
    saved = read_run(copied)
    assert [problem for problem in saved.problems if problem.startswith(name)]
    assert f"<li>{name}" in page([saved])


@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        ("tick", np.arange(80.0), "its column tick is of type float64 and shape (80,)"),
        ("reward", np.array(["x"] * 80), "its column reward is of type <U1 and shape (80,)"),
        ("delay_ticks", np.zeros((80, 2), int), "its column delay_ticks is of type int64 and shape (80, 2)"),
        ("step", np.array(0), "its column step is of type int64 and shape ()"),
        ("step", np.zeros(79, int), "its columns differ in length"),
    ],
)
def test_a_column_of_another_kind_is_damage(copied, column, values, problem):
    without_sizes(copied)
    with_column(copied / "ticks.npz", column, values)
    assert read_run(copied).problems == (f"ticks.npz is damaged ({problem})",)


def test_mixed_tables_of_two_runs_are_found(folder, copied):
    without_sizes(copied)
    with_column(copied / "ticks.npz", "tick", np.arange(2, 82))
    whole, saved = read_run(folder), read_run(copied)
    assert saved.problems == ("a table is damaged (ticks.npz has other ticks than trace.bin)",)
    assert saved.metrics.coverage == whole.metrics.coverage and len(saved.metrics.record.ticks) == 0


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("outcome", 9, "an outcome is 9, not from -1 to 6"),
        ("worker", -3, "a worker is -3, not from 0 to 65536"),
        ("started_ns", -(2**63), "started_ns is -9223372036854775808, not from"),
    ],
)
def test_impossible_values_are_damage(copied, column, value, problem):
    without_sizes(copied)
    (copied / "trace.bin").unlink()
    with np.load(copied / "inferences.npz") as archive:
        values = archive[column].copy()
    values[5] = value
    with_column(copied / "inferences.npz", column, values)
    saved = read_run(copied)
    assert saved.metrics is None and any(problem in found for found in saved.problems), saved.problems
    assert "80" in page([saved]), "the summary is there"


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_not_unpacked(copied, monkeypatch):
    without_sizes(copied)
    with_column(copied / "ticks.npz", "padding", np.zeros(1 << 20))
    assert read_run(copied).problems == (), "8 MB are no danger"
    monkeypatch.setattr("hocket.results.run_checks.FREE_BYTES", 1 << 20)
    monkeypatch.setattr(np, "load", None)
    problem = read_run(copied).problems[0]
    assert problem.startswith("ticks.npz is damaged (it unpacks to 8,3") and problem.endswith("200 times its size)")


def test_bytes_changed_at_random_never_end_in_a_traceback(folder, tmp_path):
    whole = {file.name: file.read_bytes() for file in folder.iterdir() if file.name in NEEDED}
    rng = np.random.default_rng(0)
    for round in range(40):
        for name, content in whole.items():
            (tmp_path / name).write_bytes(content)
        name = sorted(whole)[round % len(whole)]
        content = bytearray(whole[name])
        for place in rng.integers(0, len(content), 3):
            content[place] = rng.integers(256)
        (tmp_path / name).write_bytes(content)
        without = {"run.json": whole["run.json"].replace(b'"bytes"', b'"sizes"')}
        (tmp_path / "run.json").write_bytes(bytes(content) if name == "run.json" else without["run.json"])
        try:
            runs = read_runs([tmp_path, folder], ["damaged", "whole"])
        except TraceError:
            continue
        assert "whole" in page(runs)


def test_an_unreadable_folder_among_several_is_a_row_with_its_problem(folder, tmp_path):
    (tmp_path / "run.json").write_text("{")
    broken, whole = read_runs([tmp_path, folder], ["broken", "whole"])
    assert broken.summary == {} and "run.json is damaged" in broken.problems[0] and whole.problems == ()
    text = page([broken, whole])
    assert "broken: nothing of" in text and "<td>n/a" in text
    with pytest.raises(TraceError, match=r"nothing of .* can be read"):
        read_runs([tmp_path], ["broken"])


ASCII = """
import sys, hocket
hocket.load(sys.argv[1]).save(sys.argv[2])
"""


@pytest.mark.slow
def test_files_are_utf_8_and_nothing_is_printed_under_any_terminal_encoding(folder, tmp_path):
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    command = [sys.executable, "-W", "error", "-X", "warn_default_encoding", "-c", ASCII, str(folder), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert "ρ" in (tmp_path / "report.html").read_text(encoding="utf-8")


# -- a disk that is full ---------------------------------------------------------------------------------------

FULL_DISK = """
import resource, sys
import hocket
from hocket.errors import ConfigurationError

result = hocket.load(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    result.save(sys.argv[2])
except ConfigurationError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("most_bytes", "file"), [(500, "trace.bin"), (30_000, "report.html")])
def test_a_full_disk_is_a_clear_error_and_leaves_what_there_is_readable(folder, tmp_path, most_bytes, file):
    target = tmp_path / "full"
    run(ticks=10, seed=5).save(target)
    command = [sys.executable, "-c", FULL_DISK, str(folder), str(target), str(most_bytes)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert f"{file} cannot be written (File too large); try another place" in done.stdout
    assert not [left for left in target.iterdir() if left.name.endswith(".part")]
    saved = read_run(target)
    if file == "report.html":  # the whole record was written before
        assert saved.problems == () and hocket.load(target).summary().ticks == 80
    else:
        assert saved.problems == ("run.json is missing",) and saved.summary["ticks"] == 10


def test_a_run_that_cannot_begin_to_be_saved_keeps_the_earlier_one(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        hocket.load(folder).save(tmp_path / "file" / "x")


def test_the_substitute_of_an_unknown_rule_has_its_number_of_workers(tmp_path):
    loaded = hocket.load(run(rule=Own(2)).save(tmp_path))
    assert loaded.record.trace.rule.initial_workers == 2 and not isinstance(loaded.record.trace.rule, TickDispatch)
