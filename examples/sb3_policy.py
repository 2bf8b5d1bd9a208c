"""A model of Stable-Baselines3 balances CartPole although each inference takes three ticks.

    python examples/sb3_policy.py --steps 20000

Trained without delay, its mean return is 11 with one worker and 470 with three staggered ones.
Needs: pip install stable-baselines3
"""

import argparse
import sys

import gymnasium as gym

import hocket

try:
    from stable_baselines3 import PPO
except ImportError:
    print("skipped: this example needs pip install stable-baselines3")
    sys.exit(0)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=20_000)
    options = parser.parse_args()

    model = PPO("MlpPolicy", "CartPole-v1", n_steps=min(2048, options.steps), seed=0, device="cpu")
    model.learn(options.steps)  # or PPO.load(path)
    policy = hocket.policies.SB3Policy(model)
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.05))
    for rule in hocket.Sequential(), hocket.TickDispatch(workers=3):
        summary = hocket.run(gym.make("CartPole-v1"), policy, rule, clock, ticks=2000).summary()
        print(f"{type(rule).__name__:<12}  coverage {summary.coverage:.2f}, mean return {summary.return_mean:.0f}")
