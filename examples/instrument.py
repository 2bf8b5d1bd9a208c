"""An instrument of one's own: which inferences were late, told as it happens."""

import gymnasium as gym

import hocket


class Lateness(hocket.Instrument):
    def on_inference(self, inference):
        if inference.outcome is hocket.instruments.Outcome.DROPPED:
            took_ms = (inference.finished_ns - inference.started_ns) / 1e6
            print(f"worker {inference.worker} was late with observation {inference.observation}: {took_ms:.0f} ms")

    def on_stop(self):
        print("the run is over")


clock = hocket.Virtual(hz=50, latency=hocket.HeavyTail(0.03, probability=0.03, factor=6))
result = hocket.run(
    gym.make("CartPole-v1"),
    lambda observation: int(observation[2] > 0),
    hocket.TickDispatch(workers=4),
    clock,
    ticks=500,
    instruments=[Lateness()],
)
print(result.summary())
