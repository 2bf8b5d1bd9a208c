"""TrainingLog from demonstrations alone: the greedy policy takes the demonstrated actions."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

import hocket
from hocket.errors import CheckpointError, ConfigurationError
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.imitating_dqn import ImitatingDQN
from hocket.learn.algorithms.schedules import constant
from hocket.models.qnetwork import q_network
from hocket.training.pretraining import demonstration_replay

SHAPES = 4


class Match(gym.Env):
    """Shows one of four shapes; pays 1 for its number. Twenty ticks an episode, actions from 1 on."""

    observation_space = spaces.Box(0, 1, (SHAPES,), np.float32)
    action_space = spaces.Discrete(SHAPES, start=1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._ticks = 0
        return self._show(), {}

    def step(self, action):
        reward = float(action == self._shape + 1)
        self._ticks += 1
        return self._show(), reward, False, self._ticks == 20, {}

    def _show(self):
        self._shape = int(self.np_random.integers(SHAPES))
        return np.eye(SHAPES, dtype=np.float32)[self._shape]


def network(**options):
    torch.manual_seed(0)
    return q_network(nn.Identity(), SHAPES, SHAPES, **options)


def shown():
    return hocket.demonstrate(Match(), lambda observation: int(observation.argmax()) + 1, episodes=10)


def taught(**options):
    return hocket.DemonstrationOptions(shown(), **options)


def taken(net):
    return net(torch.eye(SHAPES)).argmax(dim=1).tolist()


@pytest.mark.slow
def test_the_greedy_policy_takes_the_demonstrated_actions():
    net, numbers = network(), []
    losses = hocket.pretrain(
        taught(),
        net,
        ImitatingDQN(gamma=0.5, learning_rate=0.03, target_ticks=20),
        actions=Match.action_space,
        updates=400,
        on_update=lambda number, loss: numbers.append(number),
    )
    assert taken(net) == [0, 1, 2, 3]
    assert numbers == list(range(1, 401)) and len(losses) == 400
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) / 5
    values = net(torch.eye(SHAPES)).detach()
    assert values.max(dim=1).values.tolist() == pytest.approx([2.0] * SHAPES, abs=0.3)  # 1 + γ + γ² + …
    others = values[~torch.eye(SHAPES, dtype=torch.bool)]
    assert (others < 2.0 - 0.5).all()  # by the margin


def test_without_a_margin_other_actions_do_not_change():
    """Plain Q-learning on demonstrations moves the taken actions' values alone."""
    net = network()
    before = net(torch.eye(SHAPES)).detach()
    hocket.pretrain(taught(), net, DQN(gamma=0.5, learning_rate=0.03, target_ticks=20), actions=Match.action_space,
                    updates=200)  # fmt: skip
    moved = (net(torch.eye(SHAPES)).detach() - before).abs()
    assert moved.diag().min() > 0.5


@pytest.mark.slow
def test_the_same_seed_learns_the_same():
    results = []
    for _ in range(2):
        net = network()
        algorithm = ImitatingDQN(target_ticks=20)
        results.append(hocket.pretrain(taught(), net, algorithm, actions=Match.action_space, updates=20, seed=3))
    assert results[0] == results[1]


def rows_of(gamma, **options):
    """The transitions of one episode of Match: action, reward, discount, ticks between its observations."""
    demonstrations = hocket.demonstrate(Match(), lambda observation: int(observation.argmax()) + 1, episodes=1)
    replay = demonstration_replay(
        hocket.DemonstrationOptions(demonstrations, **options.pop("shown", {})),
        network(**options.pop("network", {})),
        DQN(gamma=gamma, **{"n_step": 1, **options.pop("algorithm", {})}),
        actions=Match.action_space,
        options=hocket.ReplayOptions(**options),
    )
    copied = replay.snapshot()
    replay.close()
    return copied["records"], demonstrations


def test_transitions_span_the_interval():
    """Twenty ticks that pay 1 each, cut off at the end; a sequential agent with an interval of 5 ticks."""
    records, _ = rows_of(0.5, shown={"delay_ticks": 5, "interval_ticks": 5})
    # Ticks 5, 10, 15 and 20 execute decisions on observations 0, 5, 10 and 15, the next one 5 ticks later:
    # 1 + 1/2 + 1/4 + 1/8 + 1/16. After the last one the episode has a single tick.
    assert records["state"].tolist() == [0, 5, 10, 15]
    assert records["next_state"].tolist() == [5, 10, 15, 20]
    assert records["reward"].tolist() == pytest.approx([1.9375] * 3 + [1.0])
    assert records["discount"].tolist() == pytest.approx([0.5**5] * 3 + [0.5])


def test_steps_span_as_many_intervals():
    records, _ = rows_of(0.5, shown={"delay_ticks": 2, "interval_ticks": 2}, algorithm={"n_step": 3})
    assert records["next_state"][0] - records["state"][0] == 6
    assert records["discount"][0] == pytest.approx(0.5**6)


def test_rewards_are_learned_in_the_trainings_units():
    records, _ = rows_of(0.5, reward_scale=0.25)
    assert set(records["reward"]) == {0.25}
    assert set(rows_of(0.5, reward_scale=4.0, clip_reward=0.5)[0]["reward"]) == {0.5}


def test_a_head_is_told_what_was_done_since_and_sees_the_newest():
    """Delay 3: the action of tick t is computed from observation t − 3, the actions of t − 2 and t − 1, and t − 1's."""
    records, played = rows_of(0.5, shown={"delay_ticks": 3}, network={"pending": 2, "newest": (nn.Identity(), SHAPES)})
    codes = played.actions - 1
    assert len(records) == 20, "the first two ticks are a head's own"
    assert records["pending"][:2].tolist() == [[SHAPES, SHAPES]] * 2
    assert records["pending"][2:].tolist() == [[codes[k], codes[k + 1]] for k in range(18)]
    assert records["state"][2:].tolist() == list(range(18))
    assert records["newest"].tolist() == list(range(20))
    assert records["action"].tolist() == codes.tolist()
    assert records["next_pending"][-1].tolist() == codes[-2:].tolist()


class Wrong(Match):
    """Pays for the same shape, but shows five of them."""

    observation_space = spaces.Box(0, 1, (SHAPES + 1,), np.float32)

    def _show(self):
        return np.append(super()._show(), np.float32(0))


def learn(shown, *, ticks=400, make_env=Match, algorithm=None, net=None, **options):
    net = net or network()
    return hocket.train(
        make_env,
        net,
        algorithm or ImitatingDQN(gamma=0.5, learning_rate=0.03, target_ticks=20),
        hocket.TickDispatch(1),
        hocket.Virtual(hz=50, latency=hocket.Constant(0.01)),
        ticks=ticks,
        learner=hocket.RoundRobin(update_every_ticks=1, warm_up_ticks=20),
        acting=hocket.ActingOptions(epsilon=constant(0.0)),
        demonstrations=shown,
        **{"evaluation": hocket.EvaluationOptions(episodes=0), **options},
    )


@pytest.mark.slow
def test_what_was_shown_is_kept_throughout_the_training():
    """An agent that always says "first" learns nothing of other shapes by itself; demonstrations keep them right."""
    shown, algorithm = taught(), ImitatingDQN(gamma=0.5, learning_rate=0.03, target_ticks=20)
    net = network()
    hocket.pretrain(shown, net, algorithm, actions=Match.action_space, updates=300)
    learn(shown, net=net)
    assert taken(net) == [0, 1, 2, 3]
    values = net(torch.eye(SHAPES)).detach()
    others = values[~torch.eye(SHAPES, dtype=torch.bool)]
    assert (others < values.max() - 0.5).all(), "the margin is kept as well"


def test_a_training_with_demonstrations_resumes_bit_for_bit(tmp_path):
    shown = taught()

    def came_to(result):
        weights = [value.numpy().tobytes() for value in result.network.state_dict().values()]
        return result.run.record.actions, list(result.losses), weights

    whole = learn(shown, ticks=160)
    learn(shown, ticks=80, checkpoints=hocket.Checkpoints(tmp_path))
    torch.manual_seed(9)
    again = learn(taught(), ticks=160, net=q_network(nn.Identity(), SHAPES, SHAPES), resume=tmp_path)
    assert came_to(again) == came_to(whole)
    for other in (None, taught(share=0.5)):
        with pytest.raises(CheckpointError, match="demonstrations"):
            learn(other, ticks=160, resume=tmp_path)


@pytest.mark.realtime
def test_learner_processes_sample_demonstrations_too():
    net = network()
    result = hocket.train(
        Match,
        net,
        ImitatingDQN(gamma=0.5, learning_rate=0.03, target_ticks=20),
        hocket.TickDispatch(1),
        hocket.Realtime(hz=200, executor="threads"),
        ticks=400,
        learner=hocket.RoundRobin(update_every_ticks=1, warm_up_ticks=20),
        acting=hocket.ActingOptions(epsilon=constant(0.0)),
        demonstrations=taught(share=0.5),
        evaluation=hocket.EvaluationOptions(episodes=0),
    )
    assert result.error is None and result.updates > 100
    assert taken(net) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"make_env": Wrong}, r"demonstrations of float32 \(4,\) observations do not fit Wrong.*float32 \(5,\)"),
        ({"shown": 3}, r"demonstrations=3 must be DemonstrationOptions\(...\); try"),
    ],
)
def test_demonstrations_that_do_not_fit_a_training_are_refused(options, message):
    shown = options.pop("shown", None) or taught()
    with pytest.raises(ConfigurationError, match=message):
        learn(shown, **options)


def test_options_of_no_demonstrations_are_refused():
    with pytest.raises(ConfigurationError, match=r"demonstrations='file.npz' are none; try"):
        hocket.DemonstrationOptions("file.npz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shown": {"delay_ticks": 0}}, "delay_ticks=0"),
        ({"shown": {"interval_ticks": 0}}, "interval_ticks=0"),
        ({"shown": {"share": 0.0}}, "share=0.0 must lie between 0 and 1"),
        ({"shown": {"share": 1.0}}, "share=1.0 must lie between 0 and 1"),
        ({"updates": 0}, "updates=0"),
        ({"shown": {"delay_ticks": 30}}, "no episode is longer than delay_ticks=30"),
        ({"actions": spaces.Discrete(3)}, "actions from 1 to 4 do not fit"),
    ],
)
def test_invalid_arguments_are_refused(options, message):
    given = {"network": network(), "algorithm": DQN(), "actions": Match.action_space, "updates": 1, **options}
    with pytest.raises(ConfigurationError, match=message):
        hocket.pretrain(taught(**given.pop("shown", {})), **given)


def test_invalid_margins_are_refused():
    with pytest.raises(ConfigurationError, match=r"margin=-1.*try 0.8"):
        ImitatingDQN(margin=-1)
    with pytest.raises(ConfigurationError, match="gamma=2"):
        ImitatingDQN(gamma=2)
