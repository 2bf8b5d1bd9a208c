import sys

import pytest
from by_hand import played, story

import hocket
from hocket.core import events as e
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError, MissingExtraError
from hocket.results import lanes
from hocket.results.lanes import draw_lanes

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
