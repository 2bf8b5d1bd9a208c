"""Options: flags, typed and saved options, numbers, unusual values, and refusals before torch is loaded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_output import read, refused

import hocket
from hocket.cli import cautions, console
from hocket.cli.options import run
from hocket.cli.options.env_args import parse_env_args
from hocket.cli.options.numbers import BOUNDS
from hocket.cli.options.typed import completing, options_in
from hocket.envs.catalog import KnownEnvironment
from hocket.errors import ConfigurationError

RUN = ("run", "--env", "CartPole-v1", "--ticks", "20", "--clock", "virtual", "--latency", "0.05", "--policy", "random")
LEARN = ("train", "--env", "CartPole-v1", "--clock", "virtual", "--latency", "0.02", "--batch-size", "8")
TRAIN = (*LEARN, "--warm-up", "20", "--evaluation-episodes", "1", "--ticks", "60", "--capacity", "100")


# -- flags -----------------------------------------------------------------------------------------------------


def test_options_of_a_command_line():
    line = [
        "run",
        "--env",
        "A-v0",
        "--hz=30",
        "--no-deep",
        "--live",
        "--seed",
        "-1",
        "--env",
        "B-v0",
        "--save_every",
        "5",
    ]
    assert options_in(line) == {
        "env": "B-v0", "hz": "30", "deep": "False", "live": "True", "seed": "-1", "save_every": "5",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "value"), [((), False), (("--release-early",), True), (("--release-early", "--no-release-early"), False)]
)
def test_flags_have_no_value(command, flags, value):
    assert command(*RUN, *flags, "--out", "r")[0] == 0
    assert read("r/config.json")["options"]["release_early"] is value
    code, _, err = command(*RUN, "--release-early", "True")
    assert code == 2 and "True" in err


# -- contradicting options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*RUN, "--rule", "sequential", "--workers", "2"), "--workers 2 needs a rule of several workers"),
        ((*RUN, "--executor", "processes"), "--executor processes needs --clock realtime"),
        ((*RUN, "--priority", "1"), "--priority 1 needs --clock realtime"),
        ((*RUN, "--seconds", "20"), "--seconds 20.0 needs a run without --ticks; with --ticks 20 leave it out"),
        ((*RUN, "--width", "1"), "--width 1.0 needs --policy network"),
        ((*RUN, "--rule", "max-time", "--quantile", "0.95"), "--quantile 0.95 needs --rule tick-dispatch"),
        ((*RUN, "--live-port", "8765"), "--live-port 8765 needs --live"),
        ((*TRAIN, "--save-every", "10000"), "--save-every 10000 needs --out; without --out leave it out"),
        ((*TRAIN, "--margin", "0.8"), "--margin 0.8 needs --demonstrations"),
        ((*TRAIN, "--learner", "in-loop", "--rule", "sequential", "--update-every", "4"), "--update-every 4 needs"),
        (("plan", "--latency", "1", "--hz", "60", "--width", "1"), "--width 1.0 needs a network that is measured"),
        (("plan", "--latency", "1", "--hz", "60", "--no-variants"), "--no-variants needs a network that is measured"),
        (("plan", "--latency", "1", "--hz", "60", "--frame-stack", "1"), "--frame-stack 1 needs --env"),
        (("decompose", "--latency", "1", "--rule", "sequential", "--workers", "2"), "--workers 2 needs a rule"),
        (("states", "--policy", "noop", "--hold", "8"), "--hold 8 needs --policy random"),
        (("bench", "plan", "--files", "--cases", "200"), "--cases has no effect with --files"),
        (("bench", "plan", "--realtime", "--cases", "200"), "--cases has no effect with --realtime"),
        (("bench", "plan", "--seconds", "15"), "--seconds has no effect without --realtime"),
    ],
)
def test_a_typed_default_is_refused_where_it_changes_nothing(command, arguments, message):
    refused(command(*arguments), message, "leave it out" if "--live-port" not in message else "leave this out")


def test_one_worker_agrees_with_the_sequential_rule(command):
    assert command(*RUN, "--rule", "sequential", "--workers", "1")[0] == 0


@pytest.mark.parametrize(
    ("saved", "named", "left"),
    [
        ({"clock": "virtual", "latency": "0.1", "seed": 3}, {"clock": "realtime"}, {"seed": 3}),
        ({"clock": "realtime", "executor": "threads", "priority": 0}, {"clock": "virtual"}, {}),
        ({"ticks": 300, "hz": 30.0}, {"seconds": "5"}, {"hz": 30.0}),
        ({"seconds": 5.0, "hz": 30.0}, {"ticks": "300"}, {"hz": 30.0}),
        ({"quantile": "auto", "predictability": 0.9, "workers": "3"}, {"rule": "max-time"}, {"workers": "3"}),
        ({"workers": "3"}, {"rule": "sequential"}, {}),
        ({"policy": "network", "width": 2.0, "device": "cpu"}, {"policy": "random"}, {}),
        ({"clock": "virtual", "latency": "0.1"}, {"executor": "threads"}, {"clock": "virtual", "latency": "0.1"}),
    ],
)
def test_saved_options_that_a_typed_one_contradicts_are_left_out(saved, named, left):
    assert completing(saved, named, run.USUAL, run.NEEDS) == left


# -- saved options ---------------------------------------------------------------------------------------------


@pytest.fixture
def saved(command):
    assert command(*RUN, "--quantile", "auto", "--predictability", "0.9", "--out", "r")[0] == 0
    return ("run", "--config", "r/config.json")


@pytest.mark.parametrize(
    ("typed", "changed"),
    [
        (("--seconds", "0.5"), {"ticks": None, "seconds": 0.5}),
        (("--ticks", "5"), {"ticks": 5}),
        (("--rule", "sequential"), {"rule": "sequential", "quantile": "0.95", "predictability": None}),
        (("--quantile", "0.5"), {"quantile": "0.5", "predictability": None}),
        (("--latency", "0.01"), {"latency": "0.01"}),
        (("--policy", "network"), {"policy": "network"}),
        (("--env", "Acrobot-v1", "--hz", "15"), {"env": "Acrobot-v1", "hz": 15.0}),
    ],
)
def test_typed_options_come_before_saved_ones(command, saved, typed, changed):
    before = read("r/config.json")["options"]
    code, _, err = command(*saved, *typed, "--out", "s")
    assert (code, err) == (0, "")
    assert read("s/config.json")["options"] == {**before, **changed}


@pytest.mark.slow
def test_a_saved_option_is_taken_back_by_none(command, saved):
    assert command(*saved, "--predictability", "None", "--quantile", "0.9", "--out", "s")[0] == 0
    refused(command(*saved, "--latency", "None"), "--clock virtual needs --latency")


def test_saved_flags_are_kept_and_overridden(command):
    assert command(*RUN, "--release-early", "--out", "r")[0] == 0
    assert command("run", "--config", "r/config.json", "--out", "s")[0] == 0
    assert read("s/config.json")["options"]["release_early"] is True
    assert command("run", "--config", "r/config.json", "--no-release-early", "--out", "t")[0] == 0
    assert read("t/config.json")["options"]["release_early"] is False


def test_a_saved_training_without_a_folder_of_its_own(command):
    assert command(*TRAIN, "--out", "t", "--save-every", "30")[0] == 0
    code, _, err = command("train", "--config", "t/config.json", "--json", "x.json")
    assert (code, err) == (0, "") and read("x.json")["run"]["ticks"] == 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "its options are [], not an object"),
        (None, "its options are None, not an object"),
        ({"out": "/tmp/elsewhere"}, "unknown options ['out']"),
        ({"json": "x", "live": True}, "unknown options ['json', 'live']"),
        ({"seed": [1]}, "seed: [1] must be a text, a number, true, false or null"),
    ],
)
def test_files_that_no_run_has_saved(command, options, message):
    Path("c.json").write_text(json.dumps({"options": options}))
    refused(command("run", "--config", "c.json"), message)


@pytest.mark.parametrize("text", ["[" * 100_000, '"\udcff"', '{"options": {"env": "A"', "3"])
def test_files_that_are_no_json_object(command, text):
    Path("c.json").write_bytes(text.encode(errors="surrogateescape"))
    refused(command("run", "--config", "c.json"), "is not the config.json of a saved hocket run")


def test_values_of_a_file_are_values_and_not_options(command):
    Path("c.json").write_text(json.dumps({"options": {"env": "--out", "policy": "random", "hz": 20.0}}))
    refused(command("run", "--config", "c.json"), "--out")
    assert not Path("policy").exists()


def test_a_config_that_names_code_is_announced(command, saved):
    Path("mine.py").write_text("def act(observation): return 1\n")
    options = read("r/config.json")["options"]
    Path("c.json").write_text(json.dumps({"options": {**options, "policy": "mine.py:act"}}))
    code, out, _ = command("run", "--config", "c.json")
    assert code == 0 and out.startswith("--policy mine.py:act from c.json: its code is run\n")
    assert "its code is run" not in command("run", "--config", "c.json", "--policy", "random")[1]


# -- environment arguments -------------------------------------------------------------------------------------


def test_texts_in_quotes_keep_their_case_and_lists_are_lists():
    assert parse_env_args('name="Tetris.GB",sizes=[1, 2],names=["a,b","C"],deep={"A":[true]},on=True,off=FALSE') == {
        "name": "Tetris.GB", "sizes": [1, 2], "names": ["a,b", "C"], "deep": {"A": [True]}, "on": True, "off": False,
    }  # fmt: skip
    assert parse_env_args('a="x,\\"y\\"",b=NaN,c=Infinity,d=1e3,e=-2,f=Null,g=,h=x=y') == {
        "a": 'x,"y"', "b": "NaN", "c": "Infinity", "d": 1000.0, "e": -2, "f": None, "g": "", "h": "x=y",
    }  # fmt: skip
    for wrong in ("names=[a,b]", "a=[1", 'a="b', "a=1,a=2"):
        with pytest.raises(ConfigurationError, match=r"--env-args .*; (try|leave)"):
            parse_env_args(wrong)


# -- numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*TRAIN, "--seed", "-1"), "--seed -1 must be at least 0; try --seed 0"),
        ((*TRAIN, "--epsilon-ticks", "-5"), "--epsilon-ticks -5 must be at least 0"),
        ((*TRAIN, "--good-enough", "nan"), "--good-enough nan must be a finite number"),
        ((*TRAIN, "--ticks", "0"), "--ticks 0 must be at least 1"),
        ((*TRAIN, "--evaluation-episodes", "-1"), "--evaluation-episodes -1 must be at least 0"),
        ((*TRAIN, "--gamma", "nan"), "--gamma nan must be greater than 0 and at most 1"),
        ((*TRAIN, "--learning-rate", "inf"), "--learning-rate inf must be greater than 0"),
        ((*RUN, "--repeat-action-probability", "2"), "--repeat-action-probability 2.0 must be from 0 to 1"),
        (("run", "--env", "CartPole-v1", "--priority", "100"), "--priority 100 must be from 0 to 99"),
        (
            ("run", "--env", "CartPole-v1", "--live", "--live-port", "99999"),
            "--live-port 99999 must be from 0 to 65535",
        ),
        (("plan", "--latency", "1", "--hz", "60", "--limit-seconds", "nan"), "--limit-seconds nan must be greater"),
        (("plan", "--latency", "1", "--hz", "60", "--seed", "-1"), "--seed -1 must be at least 0"),
        (("decompose", "--latency", "1", "--runs", "0"), "--runs 0 must be at least 1"),
        (("states", "--seed", "-3"), "--seed -3 must be at least 0"),
        (("states", "--count", "0"), "--count 0 must be at least 1"),
    ],
)
def test_invalid_numbers_are_refused(command, arguments, message):
    refused(command(*arguments), message, "; try ")


def test_bounds_contain_their_examples():
    for name, bounds in BOUNDS.items():
        bounds.check(name, float(bounds.example))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--start", "1e9"), "--start 1e+09 must be before the run's end at 0.4 s; try --start 0"),
        (("--start", "1e300"), "must be before the run's end"),
        (("--start", "nan"), "--start nan must be at least 0"),
        (("--start", "inf"), "--start inf must be at least 0"),
        (("--duration", "0"), "--duration 0.0 must be greater than 0"),
    ],
)
def test_invalid_pieces_of_a_run_are_refused(command, saved, arguments, message):
    refused(command("trace", "r", *arguments), message, "; try ")


def test_a_piece_that_is_longer_than_the_run_is_the_run(command, saved):
    assert command("trace", "r", "--duration", "1e300", "--out", "long.json")[0] == 0
    assert command("trace", "r", "--out", "whole.json")[0] == 0
    assert Path("long.json").read_bytes() == Path("whole.json").read_bytes()


# -- warnings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--hz", "1000000"), "--hz 1e+06 is 1e+06 ticks a second; usual are 1 to 1,000"),
        (("--workers", "5000"), "--workers 5000 is 5000 workers, each a process in realtime; usual are 1 to 100"),
        (("--latency", "50"), "--latency 50 is 50 seconds in the mean; usual are 0.001 to 10; 50 ms is 0.05"),
        (("--latency", "lognormal:50:0.1"), "--latency lognormal:50:0.1 is 50"),
    ],
)
def test_values_that_are_probably_not_meant(command, arguments, message):
    code, _, err = command(*RUN, *arguments)
    assert code == 0 and err.startswith(f"hocket: warning: {message}") and len(err.splitlines()) == 1


@pytest.mark.filterwarnings("default")
def test_update_latencies_in_milliseconds(command):
    code, _, err = command(*TRAIN, "--update-latency", "50")
    assert code == 0 and "hocket: warning: --update-latency 50 is 50 seconds" in err
    assert "hocket: warning: nothing was learned in 60 ticks" in err


def test_many_workers_take_long_to_start(capsys):
    cautions.say_starting(hocket.TickDispatch(7), hocket.Realtime(hz=50))
    cautions.say_starting(hocket.TickDispatch(8), hocket.Realtime(hz=50, executor="threads"))
    cautions.say_starting(hocket.TickDispatch(8), hocket.Virtual(hz=50, latency=hocket.Constant(0.1)))
    assert capsys.readouterr().out == ""
    cautions.say_starting(hocket.TickDispatch(8), hocket.Realtime(hz=50))
    assert capsys.readouterr().out == "starting 8 workers\n"


def test_warnings_of_the_library_are_lines(command, monkeypatch):
    import warnings

    from hocket.cli import envs_command

    def warn():
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("the disk is slow", RuntimeWarning, stacklevel=1)

    monkeypatch.setattr(envs_command, "known_environments", lambda: [warn()][:0])
    assert command("envs")[2] == "hocket: warning: the disk is slow\n"


# -- texts -----------------------------------------------------------------------------------------------------


def test_brackets_and_colons_of_a_table_are_printed(command, monkeypatch, capsys):
    console.table("of [red]", ("[a]", ":smile:"), [("pip install 'hocket[gameboy]'", "[/]")])
    out = capsys.readouterr().out
    for text in ("of [red]", "[a]", ":smile:", "hocket[gameboy]", "[/]"):
        assert text in out
    from hocket.cli import envs_command

    known = KnownEnvironment(id="hocket/Blocks-v0", hz=None, actions="7", available=False, needs="hocket[gameboy]")
    monkeypatch.setattr(envs_command, "known_environments", lambda: [known])
    assert "pip install 'hocket[gameboy]'" in " ".join(command("envs")[1].split())


# -- policies of the user's ------------------------------------------------------------------------------------


@pytest.fixture
def path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_a_policy_file_imports_its_neighbours(command, path):
    Path("q").mkdir()
    Path("q/steady_neighbour.py").write_text("CHOICE = 1\n")
    Path("q/mine.py").write_text("from steady_neighbour import CHOICE\ndef act(observation): return CHOICE\n")
    assert command(*RUN[:-1], "q/mine.py:act", "--latency", "0.001", "--out", "r")[0] == 0
    assert hocket.load("r").record.actions == [1] * 20


@pytest.mark.realtime
def test_workers_import_them_too(command, path):
    Path("late_neighbour.py").write_text("CHOICE = 1\n")
    text = "def act(observation):\n    from late_neighbour import CHOICE\n    return CHOICE\n"
    Path("mine.py").write_text(text)
    realtime = ("run", "--env", "CartPole-v1", "--ticks", "100", "--policy", "mine.py:act", "--out", "r")
    code, _, err = command(*realtime)
    assert (code, err) == (0, "")
    record = hocket.load("r").record
    assert record.errors == [] and 1 in record.actions


@pytest.mark.parametrize("ending", ["raise SystemExit(0)", "import sys; sys.exit()", "1 / 0"])
def test_a_policy_file_that_ends_is_refused(command, ending, path):
    Path("mine.py").write_text(ending + "\n")
    refused(command(*RUN[:-1], "mine.py:act"), "mine.py cannot be run: ")


# -- before torch is loaded, and without it --------------------------------------------------------------------

REFUSALS = """
import contextlib, io, json, sys
from hocket.cli import main

found = []
for line in sys.stdin.read().splitlines():
    sys.argv = ["hocket", *line.split()]
    code, out, err = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as exit:
            code = exit.code
    found.append([code, err.getvalue(), "torch" in sys.modules])
json.dump(found, sys.stdout)
"""
"""Runs a command for each line of its input; exit status, standard error, and whether torch is loaded."""
CORE_ONLY = """
import sys
from importlib.machinery import PathFinder
from hocket.cli import EXTRAS

absent = {module for modules in EXTRAS.values() for module in modules}
find_spec = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.partition(".")[0] in absent else find_spec(name, *more)
"""
"""Makes the modules of all extras unavailable."""


def endings(script, lines, folder):
    done = subprocess.run(
        [sys.executable, "-c", script], input="\n".join(lines), capture_output=True, text=True, timeout=100, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return zip(lines, json.loads(done.stdout), strict=True)


@pytest.mark.slow
def test_cheap_refusals_come_before_torch(tmp_path):
    lines = [
        "run --env CartPole-v1 --clock virtual --latency lognormal:x",
        "run --env CartPole-v1 --rule sequential --workers 3",
        "run --env CartPole-v1 --seed -1",
        "run --env CartPool-v1 --hz 50",
        "run --env CartPole-v1 --live-port 80",
        "train --env CartPole-v1 --clock virtual",
        "train --env CartPole-v1 --clock virtual --latency nan",
        "train --env Pendulum-v1 --algorithm dqn --clock virtual --latency 0.1",
        "train --env CartPole-v1 --deep",
        "train --env CartPole-v1 --latency measured",
        "train --env CartPole-v1 --good-enough 3",
        "train --env CartPole-v1 --clock virtual --latency 0.1 --update-latency x.txt",
        "train --env CartPole-v1 --demonstrations nowhere.npz",
        "plan --env CartPole-v1 --policy nowhere.py:act",
        "decompose --env CartPole-v1 --latency words",
        *(
            f"run --policy {folder} {rest}"
            for folder in ("ended", "saved", "empty")
            for rest in ("--seed -1", "--hz 0")
        ),
        "run --policy saved --clock virtual --latency lognormal:x",
        "run --policy saved --rule sequential --workers 3",
        "run --policy saved --width 2",
        "run --policy saved --live-port 80",
        "run --policy saved --env CartPool-v1 --hz 50",
        "decompose --policy saved --latency words",
        "decompose --policy saved --latency 0.1 --env CartPool-v1 --hz 50",
        "plan --policy saved --latency 0.1",
    ]
    options = json.dumps({"options": {"env": "CartPole-v1", "algorithm": "dqn"}})
    for folder, weights in (("saved", "000000100"), ("ended", "run-000000000")):
        (tmp_path / folder / weights).mkdir(parents=True)
        for file in ("weights.safetensors", "state.json"):
            (tmp_path / folder / weights / file).write_bytes(b"")
        (tmp_path / folder / "config.json").write_text(options)
    (tmp_path / "empty").mkdir()
    for line, (code, err, loaded) in endings(REFUSALS, lines, tmp_path):
        assert code == 2 and err.startswith("hocket: "), (line, err)
        assert not loaded, line


def test_without_any_extra(tmp_path):
    extras = {
        "run --env CartPole-v1": "train",
        "run": "atari",
        "run --env hocket/Blocks-v0": "gameboy",
        "run --env CartPole-v1 --policy random --live": "live",
        "train --env CartPole-v1": "train",
        "train --env CartPole-v1 --clock virtual --latency measured": "train",
        "plan --latency 0.1 --hz 60 --out x.png": "report",
        "decompose --env CartPole-v1 --latency 0.1": "train",
        "demo": "report",
        "states": "gameboy",
        "bench gameboy": "gameboy",
        "bench plan --realtime": "atari",
        "envs": None,
        "train --help": None,
        "run --env CartPole-v1 --clock virtual --latency 0.1 --policy random --ticks 5": None,
    }
    for line, (code, err, _) in endings(CORE_ONLY + REFUSALS, list(extras), tmp_path):
        extra = extras[line]
        assert (code, err) == (0, "") if extra is None else (code == 2 and f"pip install 'hocket[{extra}]'" in err), err
