"""Every example runs unchanged, with a short length."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
SHORT = {
    "with_stable_baselines3": ["--steps", "200", "--delay", "4"],
    "dqn_by_hand": ["--ticks", "400"],
    "sb3_policy": ["--steps", "200"],
}
"""Arguments of each example that make it take a few seconds."""
SAYS = {
    "with_stable_baselines3": "mean return",
    "dqn_by_hand": "delay 4 ticks, coverage",
    "sb3_policy": "TickDispatch  coverage 0.9",
    "chat_policy": "total reward 2",
    "exported_policy": "TickDispatch  coverage 1.00, mean return 500",
    "onnx_policy": "TickDispatch  coverage 1.00, mean return 500",
}
"""The pattern of its output."""


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.slow
@pytest.mark.parametrize("example", [path for path in EXAMPLES if path.stem != "own_loop"], ids=lambda path: path.stem)
def test_it_runs(example):
    done = subprocess.run(
        [sys.executable, str(example), *SHORT.get(example.stem, [])], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if done.stdout.startswith("skipped: this example needs"):
        pytest.skip(done.stdout.strip())
    assert done.stdout.strip() and SAYS.get(example.stem, "") in done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_short(example):
    assert len(example.read_text().splitlines()) <= (120 if example.stem == "dqn_by_hand" else 60)


@pytest.mark.alone
@pytest.mark.realtime
def test_a_loop_that_one_owns_holds():
    """`examples/own_loop.py`: nearly every cycle is fresh, and `act` never waits."""
    path = next(path for path in EXAMPLES if path.stem == "own_loop")
    assert len(path.read_text().splitlines()) <= 40
    done = subprocess.run([sys.executable, str(path), "2"], capture_output=True, text=True, timeout=60, check=True)
    words = done.stdout.replace(",", "").split()
    assert float(words[words.index("coverage") + 1]) >= 0.85
    assert float(words[words.index("act") + 2]) < 5_000  # the policy takes 70,000 µs


@pytest.mark.training
def test_dqn_by_hand_learns_under_delay():
    """In virtual time, so the same on every run of one machine; a policy that only falls makes 9."""
    path = next(path for path in EXAMPLES if path.stem == "dqn_by_hand")
    command = [sys.executable, str(path), "--ticks", "5000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    last = done.stdout.splitlines()[-1].replace(",", "").split()
    assert last[:3] == ["delay", "4", "ticks"]
    assert float(last[-1]) >= 150
