"""Stable-Baselines3 learns CartPole although every action takes effect late.

    python examples/with_stable_baselines3.py --steps 50000 --delay 4

`InducedDelay` turns any environment into the one that a slow policy faces. With the pending actions in the
observation it is Markov again and an ordinary DQN learns: mean returns of 429 and 127 (seeds 0 and 1) after 50,000
steps; --blind leaves them out: 33 (seed 0). Needs: pip install stable-baselines3
"""

import argparse
import sys

import gymnasium as gym

from hocket import RepeatLast
from hocket.envs.induced_delay import InducedDelay

try:
    from stable_baselines3 import DQN
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy
except ImportError:
    print("skipped: this example needs pip install stable-baselines3")
    sys.exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--delay", type=int, default=4, help="in ticks; 1 is the ordinary CartPole")
    parser.add_argument("--blind", action="store_true", help="leave the pending actions out")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    def make() -> gym.Env:
        env = gym.make("CartPole-v1")
        return InducedDelay(env, delay_ticks=options.delay, default=RepeatLast(), pending_actions=not options.blind)

    worlds = make_vec_env(make, n_envs=4, seed=options.seed)  # four worlds, one learner
    model = DQN(
        "MlpPolicy",
        worlds,
        learning_rate=2.3e-3,
        batch_size=64,
        learning_starts=min(1000, options.steps // 2),
        train_freq=64,
        gradient_steps=128,
        target_update_interval=40,
        exploration_fraction=0.16,
        exploration_final_eps=0.04,
        policy_kwargs={"net_arch": [256, 256]},
        seed=options.seed,
    )
    model.learn(options.steps)
    mean, deviation = evaluate_policy(model, make_vec_env(make, n_envs=1, seed=options.seed + 1000), 20)
    print(f"delay {options.delay} ticks: mean return {mean:.1f} ± {deviation:.1f} over 20 episodes")


if __name__ == "__main__":
    main()
