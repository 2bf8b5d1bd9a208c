"""DQN under delay on one page: CartPole, where every action takes effect four ticks after its observation.

The world ticks on while the network thinks, so a decision is made before the three actions ahead of it have been
executed. They are part of the network's input, which makes the problem Markov again. hocket plays the world, its
clock and the schedule, and keeps frames and transitions; everything that learns is below.
"""

import argparse
import copy

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.nn.functional import one_hot, smooth_l1_loss

import hocket
from hocket.learn import Decided, Replay, TransitionBuilder

DELAY, PENDING, ACTIONS, GAMMA = 4, 3, 2, 0.99


class QNet(nn.Module):
    """Values of the two actions, from the observation and each pending action as one-hot (2: unknown)."""

    def __init__(self):
        super().__init__()
        inputs, relu = 4 + PENDING * (ACTIONS + 1), nn.ReLU()
        self.layers = nn.Sequential(nn.Linear(inputs, 128), relu, nn.Linear(128, 128), relu, nn.Linear(128, ACTIONS))

    def forward(self, observation, pending):
        return self.layers(torch.cat((observation, one_hot(pending, ACTIONS + 1).flatten(1)), dim=1))


class Agent:
    """The policy, and a listener that keeps transitions and learns after every tick."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.online = QNet()
        self.target = copy.deepcopy(self.online)
        self.optimizer = torch.optim.Adam(self.online.parameters(), lr=5e-4, fused=True)
        self.replay = Replay(50_000, (4,), np.float32, n_step=3, pending=PENDING)
        self.builder = TransitionBuilder(GAMMA)
        self.tick = 0

    def explore(self, observation, pending):
        """The policy while learning, ε-greedy; called when an inference starts."""
        if self.rng.random() < max(0.04, 1 - self.tick / 8000):
            return int(self.rng.integers(ACTIONS))
        return self.greedy(observation, pending)

    def greedy(self, observation, pending):
        with torch.inference_mode():
            return int(self.online(torch.tensor(observation)[None], torch.tensor(pending)[None]).argmax())

    def began(self, observation):
        self.replay.add_frame(0, observation, first=True)

    def ticked(self, m):
        """One tick has passed: what it executed, what it paid, and what that action was computed from."""
        self.tick = m.tick
        decided = None
        if m.decided_on >= 0:  # an action of the network, not the default's
            decided = Decided(tick=m.tick, observation=m.decided_on, action=m.action, pending=m.pending_actions)
        end = {"terminated": m.terminated, "truncated": m.truncated, "final_pending": m.final_pending_actions}
        closed = self.builder.tick(m.tick, m.reward, decided=decided, **end)
        if ended := m.final_observation is not None:
            self.replay.add_frame(m.tick, m.final_observation)
        for t in closed:  # from one decision to the next: Σ γ^i·r over the ticks between, and γ^ticks
            told = {"pending": t.decided.pending, "next_pending": t.next_pending}
            paid = {"reward": t.reward, "discount": t.discount, "next_tick": t.next_observation}
            self.replay.add_transition(t.decided.observation, t.decided.action, **paid, **told)
        self.replay.add_frame(m.tick, m.observation, first=ended)
        if self.tick >= 1000:
            self.learn()

    def learn(self):
        """One update: double DQN on a batch of 64. The discount is 0 where an episode terminated."""
        to, batch = torch.from_numpy, self.replay.sample(64, self.rng)
        after = to(batch.next_states), to(batch.next_pending)
        with torch.no_grad():
            best = self.online(*after).argmax(1, keepdim=True)
            targets = to(batch.rewards) + to(batch.discounts) * self.target(*after).gather(1, best)[:, 0]
        values = self.online(to(batch.states), to(batch.pending)).gather(1, to(batch.actions)[:, None])[:, 0]
        self.optimizer.zero_grad()
        smooth_l1_loss(values, targets).backward()
        nn.utils.clip_grad_norm_(self.online.parameters(), 10.0)
        self.optimizer.step()
        if self.tick % 500 == 0:
            self.target.load_state_dict(self.online.state_dict())


def play(policy, ticks, seed, **more):
    """An inference takes a quarter of a tick; the rule holds its answer until four ticks after the observation."""
    told = hocket.FunctionPolicy(policy, pending=PENDING)
    rule, clock = hocket.TickDispatch(2, min_delay_ticks=DELAY), hocket.Virtual(hz=50, latency=hocket.Constant(0.005))
    return hocket.run(gym.make("CartPole-v1"), told, rule, clock, ticks=ticks, seed=seed, **more)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ticks", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    agent = Agent(options.seed)

    def good_enough(record):
        """Asked after every tick; every 5000 ticks the greedy policy plays episodes that are not learned from."""
        if agent.tick % 5000:
            return False
        score = play(agent.greedy, 2500, seed=1000 + agent.tick).summary().return_mean
        print(f"{agent.tick} ticks: mean return {score:.0f}", flush=True)
        return score >= 475

    play(agent.explore, options.ticks, options.seed, listener=agent, until=good_enough)
    final = play(agent.greedy, 10_000, seed=1).summary()
    print(f"delay {final.delay_mean:.0f} ticks, coverage {final.coverage:.2f}: mean return {final.return_mean:.0f}")
