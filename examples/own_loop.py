"""A 50 Hz control loop that you own, with a policy that takes 70 ms: neither call ever waits for it."""

import sys
import time

import numpy as np
from gymnasium.spaces import Box, Discrete

import hocket

SECONDS, HZ = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0, 50


def policy(observation: np.ndarray) -> int:
    time.sleep(0.07)  # a big network on an accelerator or a server
    return int(observation[0, 0, 0]) % 4


if __name__ == "__main__":
    camera = np.zeros((4, 84, 84), np.uint8)  # 28 KB
    with hocket.StaggeredAgent(
        policy,
        rule=hocket.TickDispatch(workers=4),
        hz=HZ,
        default=hocket.RepeatLast(),
        observation_space=Box(0, 255, camera.shape, np.uint8),
        action_space=Discrete(4),
    ) as agent:
        agent.observe(camera)
        stamps, delays, began = [], [], time.monotonic()
        for cycle in range(1, round(SECONDS * HZ) + 1):
            time.sleep(max(0.0, began + cycle / HZ - time.monotonic()))
            stamps.append([time.perf_counter()])
            action = agent.act()  # send it to the motors; agent.last tells what it is
            stamps[-1].append(time.perf_counter())
            agent.observe(camera)  # what came of it
            stamps[-1].append(time.perf_counter())
            delays += [agent.last.delay_ticks] * agent.last.fresh
    print(f"coverage {len(delays) / len(stamps):.3f}, delay {np.mean(delays):.2f} ticks")
    p50, p99 = np.percentile(np.diff(stamps), (50, 99), axis=0) * 1e6
    print(
        "act(): p50 {:.0f} us, p99 {:.0f} us; observe(): p50 {:.0f} us, p99 {:.0f} us".format(
            *np.ravel([p50, p99], "F")
        )
    )
