"""``hocket plan`` and ``hocket decompose``, as typed."""

import json
from contextlib import closing
from functools import partial

import pytest
from command_output import read, refused

import hocket
from hocket.bench import planner_files
from hocket.cli.plan_command import rule_words

TIMES = ("plan", "--latency", "0.195", "--hz", "60", "--limit-seconds", "60")
POLICY = "def still(observation):\n    return 0\n\nNOTHING = 3\n"


@pytest.mark.parametrize("arguments", ["plan", "decompose", "bench plan"])
def test_it_explains_itself_in_80_columns(command, arguments):
    code, out, err = command(*arguments.split(), "--help")
    assert (code, err) == (0, "")
    assert "usage: hocket" in out and max(map(len, out.splitlines()[1:])) <= 80


@pytest.mark.slow
def test_a_plan_for_times(command, short_race, tmp_path):
    code, out, err = command(*TIMES, "--json", "p.json", "--out", "p.png", "--update-latency", "0.05")
    assert (code, err) == (0, "")
    assert "N*          12 workers" in out and "N_L*" in out and "recommended" in out
    assert "hocket run --env YOUR-ENVIRONMENT --hz 60 --rule" in out and "--workers 12" in out
    assert (tmp_path / "p.png").exists()
    figures = read("p.json")
    assert figures["recommended"]["workers"] == 12 and figures["workers_needed"] == 12
    assert figures["predictability"] == 0.99 and len(figures["forecasts"]) > 8 + 5 * 7
    assert figures["worker_price"] == pytest.approx(0.01 / 11.7) and figures["recommended"]["ticks"] >= 4000


@pytest.mark.slow
def test_the_line_it_prints_runs(command, short_race):
    code, out, _ = command(*TIMES, "--env", "CartPole-v1", "--predictability", "0.9")
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("hocket run"))
    code, out, err = command(*line.split()[1:], "--seconds", "1")
    assert (code, err) == (0, "") and "12 workers" in out


@pytest.mark.slow
def test_it_plans_for_the_world_as_it_is_made(command, monkeypatch):
    asked = []

    def estimate(make, **options):
        with closing(make()) as env:
            asked.append(env.get_wrapper_attr("repeat_action_probability"))
        return hocket.analysis.Predictability(
            value=0.9, low=0.89, high=0.91, horizons=(1,), correlations=(0.81,), sources=1, states=10
        )

    monkeypatch.setattr(hocket, "estimate_predictability", estimate)
    code, out, err = command(
        *("plan", "--env", "ALE/Boxing-v5", "--repeat-action-probability", "0.25", "--frame-stack", "4"),
        *("--latency", "0.195", "--limit-seconds", "1"),
    )
    assert (code, err, asked) == (0, "", [0.25])
    assert "--frame-stack 4 --repeat-action-probability 0.25" in out


@pytest.mark.realtime
def test_a_plan_for_a_policy_that_is_measured(command, tmp_path):
    (tmp_path / "mine.py").write_text(POLICY)
    code, out, err = command(
        "plan", "--env", "CartPole-v1", "--policy", "mine.py:still", "--limit-seconds", "1", "--json", "p.json"
    )
    assert (code, err) == (0, "")
    assert "predictability of CartPole-v1: ρ = 1 a tick" in out
    figures = read("p.json")
    assert figures["predictability_estimate"]["value"] == 1
    assert figures["inference"][""]["mean_s"] < 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ("give --latency",)),
        (("--latency", "0.1"), ("has no rate of its own",)),
        (("--latency", "0.1", "--hz", "60", "--width", "2"), ("--width 2.0", "leave it out")),
        (("--latency", "0.1", "--hz", "60", "--device", "cuda"), ("--device cuda", "leave it out")),
        (("--latency", "0.1", "--hz", "60", "--frame-stack", "2"), ("--frame-stack 2", "without --env")),
        (("--latency", "0.1", "--hz", "60", "--repeat-action-probability", "0.2"), ("0.2", "without --env")),
        (("--latency", "0.1", "--hz", "60", "--predictability", "2"), ("must lie in (0, 1]",)),
        (("--latency", "0.1", "--hz", "60", "--predictability", "x"), ("--predictability x",)),
        (("--latency", "0.1", "--hz", "60", "--cores", "0.01", "--limit-seconds", "1"), ("nothing fits cores=0.01",)),
        (("--latency", "0.1", "--hz", "60", "--limit-seconds", "0"), ("--limit-seconds 0.0",)),
        (("--env", "CartPole-v1", "--policy", "missing.py:it"), ("--policy missing.py:it",)),
    ],
)
def test_invalid_plans_are_refused(command, options, words):
    refused(command("plan", *options), *words)


def test_rules_in_words():
    rules = {
        hocket.Sequential(): "--rule sequential",
        hocket.MaxTime(3): "--rule max-time --workers 3",
        hocket.ExpectedTime(3): "--rule expected-time --workers 3",
        hocket.Unstaggered(3): "--rule unstaggered --workers 3",
        hocket.TickDispatch(3, hold=False): "--rule tick-dispatch --workers 3 --quantile 0.95 --release-early",
        hocket.TickDispatch(3, quantile="auto", predictability=0.9): (
            "--rule tick-dispatch --workers 3 --quantile auto --predictability 0.9"
        ),
    }
    for rule, words in rules.items():
        assert " ".join(rule_words(rule)) == words


DECOMPOSE = ("decompose", "--latency", "0.05", "--runs", "5", "--seconds", "4")


def test_decompose(command, tmp_path):
    (tmp_path / "mine.py").write_text(POLICY)
    code, out, err = command(*DECOMPOSE, "--policy", "mine.py:still", "--workers", "3", "--json", "d.json")
    assert (code, err) == (0, "")
    assert "lost to inaction" in out and "lost to delay" in out and "reward an episode" in out
    figures = read("d.json")
    # The policy always gives the default action: no loss to inaction or delay.
    assert figures["per_episode"]["realtime_regret"] == {"mean": 0, "low": 0, "high": 0}
    assert figures["ticks"] == 200 and figures["runs"] == 5 and figures["unfinished"] == 0
    json.dumps(figures, allow_nan=False)


def test_a_decomposition_that_is_interrupted_shows_the_finished_runs(command, tmp_path):
    interrupting = """
import signal
calls = []
def still(observation):
    calls.append(1)
    if len(calls) == 170:
        signal.raise_signal(signal.SIGTERM)
    return 0
"""
    (tmp_path / "mine.py").write_text(interrupting)
    arguments = ("decompose", "--latency", "0.01", "--runs", "9", "--seconds", "0.1", "--policy", "mine.py:still")
    code, out, err = command(*arguments, "--json", "d.json")
    assert (code, err) == (143, "")  # 5 to 10 ticks a run, three runs of each
    runs = read("d.json")["runs"]
    assert 5 <= runs <= 8 and f"{runs} runs of 5 ticks each" in out


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["tick-dispatch", "sequential"])
def test_decompose_a_network(command, rule):
    workers = () if rule == "sequential" else ("--workers", "auto")
    code, out, err = command(*DECOMPOSE, "--rule", rule, *workers, "--width", "0.1", "--default", "random")
    assert (code, err) == (0, "") and "as given" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--seconds", "0"), ("--seconds 0.0",)),
        (("--runs", "2"), ("runs=2", "from 5", "try 20")),
        (("--latency", "x"), ("latency file x",)),
        (("--policy", "mine.py:NOTHING"), ("NOTHING is 3",)),
        (("--policy", "mine.py:absent"), ("absent is None",)),
        (("--policy", "broken.py:it"), ("broken.py cannot be run: ZeroDivisionError",)),
        (("--policy", "somewhere"), ("FILE.py:NAME",)),
    ],
)
def test_invalid_decompositions_are_refused(command, tmp_path, options, words):
    (tmp_path / "mine.py").write_text(POLICY)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    refused(command(*DECOMPOSE, *options), *words)


def test_bench_plan(command):
    code, out, err = command("bench", "plan", "--cases", "2", "--ticks", "500", "--json", "b.json")
    assert (code, err) == (0, "") and "of 2 within bounds" in out
    rows = read("b.json")
    assert [row["case"] for row in rows] == [0, 1] and {"within", "seconds", "coverage"} <= rows[0].keys()


@pytest.mark.slow
def test_bench_plan_from_files(command, monkeypatch):
    few = [planner_files.FileCase("one", hocket.Constant(0.05), 200, limit_s=2), planner_files.FILES[-1]]
    monkeypatch.setattr(planner_files, "bench_plan_files", partial(planner_files.bench_plan_files, files=few))
    code, out, err = command("bench", "plan", "--files", "--ticks", "500", "--json", "b.json")
    assert (code, err) == (0, "")
    assert "1 of 1 within 3 points" in out and "2 of 2 plans hold" in out and "nothing is known about" in out
    assert [row["file"] for row in read("b.json")] == ["one", "one time"]


def test_bench_plan_is_of_files_or_in_realtime(command):
    refused(command("bench", "plan", "--files", "--realtime"), "--files and --realtime exclude each other")
