import pytest

import hocket
from hocket.core.commands import Execute
from hocket.core.trace import FIRST, KIND, WIDTH
from hocket.envs.null import NullEnv
from hocket.errors import TraceError
from hocket.testing import replay


def trace():
    clock = hocket.Virtual(hz=60, latency=hocket.LogNormal(0.05, 0.3))
    return hocket.run(NullEnv(), lambda observation: 0, hocket.TickDispatch(3), clock, ticks=50).record.trace


@pytest.mark.parametrize("validate", [False, True])
def test_a_trace_replays_to_the_recorded_commands(validate):
    recorded = trace()
    commands = replay(recorded, validate=validate)
    assert commands == [command for _, commands in recorded.steps() for command in commands]
    assert any(isinstance(command, Execute) for command in commands)


def test_a_trace_with_other_commands_is_refused():
    forged = trace()
    executed = next(i for i in range(0, len(forged.rows), WIDTH) if forged.rows[i + KIND] == 101)
    forged.rows[executed + FIRST] += 1
    with pytest.raises(TraceError, match=r"event \d+, DeadlineReached.* led to .*; recorded were"):
        replay(forged)
