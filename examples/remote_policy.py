"""A 50 Hz loop by two policy servers that take 60 ms: one stops half-way, and the other does its work."""

import time
from threading import Timer

import numpy as np
from gymnasium.spaces import Box

import hocket
from hocket.remote import PolicyServer, WebSocketPolicy

CAMERA = np.zeros((224, 224, 3), np.uint8)  # 150 KB


def policy(observation: np.ndarray) -> np.ndarray:
    time.sleep(0.06)  # a big network
    return np.zeros(7)


if __name__ == "__main__":
    with (
        PolicyServer(policy, port=0, workers=6) as one,
        PolicyServer(policy, port=0, workers=6, token=one.token) as other,
        hocket.StaggeredAgent(
            WebSocketPolicy([one.url, other.url], token=one.token),
            rule=hocket.TickDispatch(workers=6),
            hz=50,
            default=hocket.RepeatLast(),
            observation_space=Box(0, 255, CAMERA.shape, np.uint8),
            action_space=Box(-1, 1, (7,)),
        ) as agent,
    ):
        Timer(2, other.close).start()
        began = time.monotonic()
        for cycle in range(200):
            time.sleep(max(0.0, began + cycle / 50 - time.monotonic()))
            agent.act(CAMERA)  # an action for the motors, fresh or repeated
        counts = agent.counts()
    print(f"{counts['fresh']} fresh actions, {counts['default']} repeated; {counts['failed']} inferences failed")
