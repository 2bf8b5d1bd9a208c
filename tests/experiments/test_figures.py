import math

import pytest

from hocket.experiments import figures


def test_the_interval_is_students():
    # Of 1, 2, 3: standard deviation 1, so 4.303/√3 with two degrees of freedom.
    assert figures.interval([1, 2, 3]) == pytest.approx((2, 4.303 / math.sqrt(3)))
    mean, half = figures.interval([7])
    assert mean == 7 and math.isnan(half)
    assert all(map(math.isnan, figures.interval([])))
    # More than ten count as ten here: t of nine degrees of freedom.
    values = [0.0, 1.0] * 8
    assert figures.interval(values)[1] == pytest.approx(2.262 * math.sqrt(16 * 0.25 / 15) / 4)


def row(arm, delay, kind, value, **more):
    return {"game": "breakout", "seed": "0", "delay": delay, "arm": arm, "kind": kind, "mean_return": value, **more}


def test_values_are_found_by_their_entries():
    rows = [row("a", "1", "final", "2.5"), row("a", "1", "final", "nan"), row("b", "1", "final", "9")]
    assert figures.values_of(rows, arm="a", delay=1) == [2.5]


@pytest.mark.slow
def test_both_figures_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [row(arm, d, kind, "1") for arm in "ab" for d in ("1", "4") for kind in ("final", "training")]
    rows += [row("noop", "any", "final", "0.5")]
    figures.draw_against_delay(
        rows, tmp_path / "f" / "d.png", title="B", arms=("a", "b"), references=("noop",), games=["breakout"]
    )
    curve = [row("a", "1", "choosing", "1", tick=str(tick)) for tick in (100, 200)]
    figures.draw_learning_curves(curve, tmp_path / "f" / "c.png", arms=("a",), title="A")
    against = tmp_path / "f" / "d.png"
    assert all(path.stat().st_size > 5000 for path in (against, against.with_name("c.png")))
