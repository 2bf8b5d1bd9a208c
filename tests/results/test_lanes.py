import sys

import matplotlib.colors as mcolors
import pytest
from by_hand import played, story

import hocket
from hocket.core import events as e
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError, MissingExtraError
from hocket.results import lanes
from hocket.results.lanes import draw_lanes
from hocket.results.metrics import Metrics

PNG = b"\x89PNG\r\n\x1a\n"


def run(workers, latency_s, ticks, policy=lambda observation: 0):
    clock = hocket.Virtual(hz=60, latency=hocket.Constant(latency_s))
    return hocket.run(NullEnv(), policy, hocket.Unstaggered(workers), clock, ticks=ticks).record


def sometimes_failing(observation):
    if observation[0] % 3 == 1:
        raise ValueError
    return 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "record",
    [
        story(),
        run(1, 0.02, 120),
        run(2, 0.03, 120),
        run(72, 1.17, 200),
        run(2, 0.02, 60, sometimes_failing),
        run(2, 100.0, 60),
        run(2, 0.001, 1),
        played([]),
        played([e.WorkerJoined(0, 7), e.Ticked(0, 0)]),
    ],
    ids=["story", "1", "2", "72", "failing", "nothing finished", "one tick", "empty", "cut off"],
)
def test_any_run_can_be_drawn(record, tmp_path):
    draw_lanes([("a", record), ("b", story())], tmp_path / "lanes.png", title="a title")
    assert (tmp_path / "lanes.png").read_bytes().startswith(PNG)
    assert [p.name for p in tmp_path.iterdir()] == ["lanes.png"]


@pytest.mark.slow
def test_many_workers_keep_to_a_page(tmp_path):
    heights = []
    for workers in (72, 300):
        draw_lanes([("many", run(workers, 1.0, 350))], tmp_path / "lanes.png", title="many")
        heights.append(int.from_bytes((tmp_path / "lanes.png").read_bytes()[20:24], "big"))
    assert heights[0] == heights[1] < 1200


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    from matplotlib.figure import Figure

    figures, usual = [], Figure.savefig

    def savefig(self, *args, **options):
        figures.append(self)
        usual(self, *args, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


def test_what_is_drawn(drawn, tmp_path):
    """Two workers in turn at 60 Hz, 1.8 ticks an inference: the observation of tick k acts at tick k + 2."""
    record = run(2, 0.03, 60)
    draw_lanes([("a", record), ("b", story())], tmp_path / "lanes.png", title="a title", duration_s=2.0)
    (figure,) = drawn
    colour = mcolors.to_hex
    marks = [
        {(line.get_marker(), colour(line.get_color())): line for line in panel.lines if len(line.get_xdata())}
        for panel in figure.axes
    ]
    # The legend shows the ticks as they are drawn.
    legend = {line.get_label(): line for line in figure.legends[0].legend_handles if hasattr(line, "get_marker")}
    fresh, default = legend["tick: fresh action"], legend["tick: default"]
    assert (fresh.get_marker(), default.get_marker()) == ("o", "x")
    keys = {(line.get_marker(), colour(line.get_color())) for line in (fresh, default)}
    assert set(marks[0]) == set(marks[1]) == keys
    for panel, lines, names in zip(figure.axes, marks, (("worker 0", "worker 1"), None), strict=True):
        # All ticks lie on one side: below the last worker, as the axis points down.
        heights = {height for line in lines.values() for height in line.get_ydata()}
        texts = [text.get_text() for text in panel.get_yticklabels()]
        assert len(heights) == 1 and texts[-1] == "ticks"
        assert names is None or texts[:-1] == [*names]
        bottom, top = panel.get_ylim()
        assert max(bar.get_y() + bar.get_height() for bar in panel.patches) < heights.pop() < bottom > top
    # Of each action a link from its observation's time to the tick that executes it.
    panel, ticks = figure.axes[0], Metrics(record).ticks
    links = {
        (round(first[0] * 60), round(second[0] * 60))
        for lines in panel.collections
        for first, second in lines.get_segments()
        if first[1] == second[1]
    }
    acted = {(tick - delay, tick) for tick, delay in zip(ticks.tick.tolist(), ticks.delay_ticks.tolist(), strict=True)}
    assert links == {(seen, tick) for seen, tick in acted if seen < tick} and len(links) > 20
    assert colour(legend[lanes.LINK_LABEL].get_color()) == colour(lanes.COLOURS[lanes.Outcome.EXECUTED][0])


def test_invalid_drawings_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ConfigurationError, match="at least one run"):
        draw_lanes([], tmp_path / "x.png", title="")
    with pytest.raises(ConfigurationError, match="above 0"):
        draw_lanes([("a", story())], tmp_path / "x.png", title="", duration_s=0)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        draw_lanes([("a", story())], tmp_path / "missing" / "x.png", title="")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hocket\[report\]'"):
        lanes.check_drawable()
