"""A 50 Hz control loop that you own, with a policy that takes 70 ms: neither call ever waits for it."""

import sys
import time

import numpy as np
from gymnasium.spaces import Box, Discrete

import hocket


def policy(observation: np.ndarray) -> int:
    time.sleep(0.07)  # a big network on a server
    return 1


if __name__ == "__main__":
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    camera = np.zeros((4, 84, 84), np.uint8)  # 28 KB
    with hocket.StaggeredAgent(
        policy,
        rule=hocket.TickDispatch(workers=4),
        hz=50,
        default=hocket.RepeatLast(),
        observation_space=Box(0, 255, camera.shape, np.uint8),
        action_space=Discrete(4),
    ) as agent:
        stamps, delays, began = [], [], time.monotonic()
        agent.observe(camera)
        for cycle in range(1, 50 * seconds + 1):
            time.sleep(max(0.0, began + cycle / 50 - time.monotonic()))
            due = time.perf_counter()
            agent.act()  # an action for the motors; agent.last tells what it is
            acted = time.perf_counter()
            agent.observe(camera)  # what came of it
            stamps.append((due, acted, time.perf_counter()))
            delays += [agent.last.delay_ticks] * agent.last.fresh
    print(f"coverage {len(delays) / len(stamps):.3f}, delay {np.mean(delays):.2f} ticks")
    p50, p99 = np.percentile(np.diff(stamps) * 1e6, (50, 99), axis=0)
    print(f"act p50 {p50[0]:.0f} us, p99 {p99[0]:.0f} us; observe p50 {p50[1]:.0f} us, p99 {p99[1]:.0f} us")
