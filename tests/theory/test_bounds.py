import numpy as np
import pytest

import hocket
from hocket.errors import ConfigurationError
from hocket.theory import TabularEnv, delay_order, inaction_order, inaction_share, learning_order, ring

TICKS = [1, 5, 8, 70, 596]
SHARES = [0, 0.80, 0.875, 0.986, 0.998]


def test_the_shares_left_to_the_default_by_a_sequential_agent():
    assert [inaction_share(ticks) for ticks in TICKS] == pytest.approx(SHARES, abs=5e-4)


@pytest.mark.parametrize(("ticks", "share"), list(zip(TICKS, SHARES, strict=True)))
def test_the_virtual_driver_leaves_as_many(ticks, share):
    cycles = max(20, 2000 // ticks)
    result = hocket.run(
        TabularEnv(ring(3, 0.9)),
        lambda observation: 0,
        hocket.Sequential(),
        hocket.Virtual(hz=50, latency=hocket.Constant(ticks / 50)),
        ticks=cycles * ticks,
    )
    assert result.summary().coverage == pytest.approx(1 / ticks, abs=1e-12)
    assert 1 - result.summary().coverage == pytest.approx(share, abs=5e-4)


def test_orders_by_hand():
    assert learning_order(400, 4) == 10
    assert inaction_order([0, 400], 4).tolist() == [0, 300]
    assert delay_order(400, 4, 2, 0.5) == 75
    assert delay_order(400, 4, [1, 3], 0.5) == pytest.approx(100 * np.mean([1 / 2, 7 / 8]))
    assert delay_order(400, 1, 5, 1.0) == 0, "nothing is lost to delay in a deterministic world"


def test_orders_refuse_what_makes_no_sense():
    for call in (lambda: inaction_share(0), lambda: learning_order(1, 0.5), lambda: delay_order(1, 1, 1, 1.5)):
        with pytest.raises(ConfigurationError, match="must"):
            call()
