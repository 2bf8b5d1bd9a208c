"""A cloned chunk policy under inference delay: stop and wait, one in flight, staggered (virtual, delay-only).

    python -m hocket.experiments.reacher_demonstrations                train the expert, unless its weights are there
    python -m hocket.experiments.chunk_delay --out FOLDER              run the tasks that are not done
    python -m hocket.experiments.chunk_delay --out FOLDER --collect    table and figure of the finished tasks

The arm of `servo_reacher` follows its target at 50 Hz. Its policy is a network of two layers of 256 units, cloned from
an expert (`reacher_demonstrations`): an observation to the actions of the next 32 ticks, by the mean squared error to
the expert's own actions in 100 demonstrations of 300 ticks. An inference of d ticks lasts d + 1/4: when it comes, the
first d steps of its chunk have passed. The same networks and demonstrations serve all arms, and in ticks that have no
action all repeat the last one, so the arm holds still:

- *stop and wait*: one inference, and only once the last chunk is over. Its first step is for the tick at which it comes
  (`hocket.Alignment.RELEASE`), as the robot has not moved;
- *one in flight*: `hocket.OneInFlight`; the next chunk is asked for as soon as the last one comes. That is its best
  threshold: with 0.5, LeRobot's, it would wait longer at d = 0, 4 and 8, and not otherwise;
- *staggered*: `hocket.TickDispatch` with four inferences in flight; a new chunk replaces the last one;
- *staggered, blend*: where chunks overlap, `hocket.drivers.Blend` takes 0.7 of the newer action and 0.3 of the older
  one, as LeRobot's asynchronous client does;
- *staggered, prefix*: the network is told the actions of the coming d ticks that are already decided, as in
  training-time real-time chunking (Black et al. 2025, arXiv:2512.05964): 24 actions with masks, 72 inputs more. In
  training the first 0 to 24 executed actions are known, and the error counts from there on;
- *staggered, head*: a head of 64 units corrects each action of the chunks in its tick (`hocket.TwoStage`). It sees the
  newest observation, the planned action and its step, and is cloned from the same demonstrations.

To understand these, more of the same networks: *stop and wait, 16 steps*, which plays half of each chunk; *one in
flight, prefix*, where all of the d actions are known, while with four in flight only a quarter is; *one in flight,
head*; *a worker a tick*, staggered with d + 1 inferences in flight; and *single action*, which plays only the first
step of a chunk, at whatever tick it comes, likewise (at d = 0 both are as *staggered*). References without delay are
the *expert*; *head alone*, a network of 64 units cloned to act on the newest observation; and *nothing*, the arm at
rest.

A run is 50 episodes of 200 ticks, one after the other: nothing is reset between them, so all arms begin alike, and 200
ticks before the first are not counted. The targets of a seed are the same for all arms. A seed is one of the
demonstrations, of the cloning and of the targets. *Seams* are the changes of the commanded angles, the larger of the
two, where another inference takes over.

The comparison that was chosen before the runs: the return of *staggered* less that of *one in flight*, at d = 16 and at
d = 24, with Welch's interval over the seeds.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import hocket
from hocket.core.rules import Rule
from hocket.drivers import Blend, Handover, Switch
from hocket.experiments.figures import draw_by_delay, values_of
from hocket.experiments.reacher_demonstrations import ACTION, OBSERVED, Shown, demonstrate, load_expert
from hocket.experiments.servo_reacher import HZ, RANGE, Floats, ServoReacher
from hocket.experiments.tables import cell
from hocket.experiments.tasks import OneSeed, Row, command, write_rows
from hocket.models.actor_and_critics import perceptron
from hocket.policies.base import PolicyFactory
from hocket.policies.torch_policy import continuous
from hocket.results.intervals import difference, interval
from hocket.results.metrics import percentiles

CHUNK = 32
DELAYS = (0, 4, 8, 16, 24)
PREFIX = DELAYS[-1]
"""Actions that a network with a prefix is told at most."""
IN_FLIGHT = 4
SEEDS = tuple(range(5))
EPISODES, EPISODE_TICKS, WARM_UP_TICKS = 50, 200, 200
TARGETS_SEED = 1000
"""Added to a seed: the targets are not those of the demonstrations."""

SHOWN_EPISODES, SHOWN_TICKS = 100, 300
UNITS, HEAD_UNITS = (256, 256), (64,)
UPDATES, BATCH, LEARNING_RATE = 4000, 256, 1e-3
"""Of Adam, whose rate falls to 0 along a cosine."""

ANY = "any"
KNOWN = ("arm", "delay", "seed")
FIGURES = {
    "mean_return": "return of an episode",
    "distance_cm": "mean distance from the target, cm",
    "coverage": "coverage",
    "age_mean": "age of the actions, ticks",
    "age_p99": "99th percentile of the age, ticks",
    "seam_p50": "median seam, rad",
    "seam_p99": "99th percentile of the seams, rad",
    "inferences": "inferences",
}
COLUMNS = (*KNOWN, *FIGURES)
TABLE = Path("docs/results/chunk_delay.csv")
FIGURE = Path("docs/images/chunk_delay.png")


class ChunkNetwork(nn.Module):
    """An observation, and with ``pending`` the decided actions of as many coming ticks, to those of `CHUNK` ticks."""

    def __init__(self, pending: int = 0) -> None:
        super().__init__()
        self.pending = pending
        self.layers = perceptron(OBSERVED + pending * (ACTION + 1), CHUNK * ACTION, UNITS)

    def forward(self, observation: Tensor, prefix: Tensor | None = None) -> Tensor:
        """``(B, 12)`` and ``(B, pending, 3)`` to ``(B, CHUNK, 2)``."""
        inputs = observation if prefix is None else torch.cat((observation, prefix.flatten(1)), dim=1)
        return torch.tanh(self.layers(inputs)).view(-1, CHUNK, ACTION)


class Committed(nn.Module):
    """A network with a prefix that is told the actions of ``delay`` ticks at most: a later one may still change."""

    certain: Tensor

    def __init__(self, network: ChunkNetwork, delay: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("certain", (torch.arange(network.pending) < delay).float()[:, None])

    def forward(self, observation: Tensor, prefix: Tensor) -> Tensor:
        """As `ChunkNetwork`."""
        return self.network(observation, prefix * self.certain)  # type: ignore[no-any-return]


class FirstSteps(nn.Module):
    """The first ``count`` actions of ``network``'s chunks; one is no chunk but an action."""

    def __init__(self, network: ChunkNetwork, count: int) -> None:
        super().__init__()
        self.network, self.count = network, count

    def forward(self, observation: Tensor) -> Tensor:
        """``(B, 12)`` to ``(B, count, 2)``, or ``(B, 2)``."""
        return self.network(observation)[:, : self.count].squeeze(1)  # type: ignore[no-any-return]


class Correction(nn.Module):
    """A head on a chunk: the newest observation, the planned action and its step to a better action."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = perceptron(OBSERVED + ACTION + 1, ACTION, HEAD_UNITS)

    def forward(self, newest: Tensor, planned: Tensor, step: Tensor) -> Tensor:
        """``(B, 12)``, ``(B, 2)`` and ``(B,)`` to ``(B, 2)``."""
        share = step[:, None] / CHUNK
        corrected: Tensor = planned + self.layers(torch.cat((newest, planned, share), dim=1))
        return corrected.clamp(-1, 1)

    def act(self, plan: Floats, newest: Floats, delay: NDArray[np.int64]) -> Floats:
        """As `hocket.TwoStage` calls it: the action of the tick that ``plan[0]`` is for."""
        inputs = torch.from_numpy(newest[None]), torch.from_numpy(plan[:1]), torch.from_numpy(delay - 1)
        with torch.inference_mode():
            action: Floats = self(*inputs)[0].numpy()
        return action


def fit(network: nn.Module, error: Callable[[], Tensor]) -> None:
    """Minimise ``error``, of a new batch at each call."""
    optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, UPDATES)
    for _ in range(UPDATES):
        optimiser.zero_grad()
        error().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()


def clone(shown: Shown, *, pending: int, seed: int) -> ChunkNetwork:
    """A network trained on ``shown``."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = ChunkNetwork(pending)
    episodes, ticks, _ = shown.labels.shape
    steps = np.arange(CHUNK)

    def error() -> Tensor:
        episode = rng.integers(episodes, size=BATCH)
        first = rng.integers(ticks - CHUNK + 1, size=BATCH)
        rows, columns = episode[:, None], first[:, None] + steps
        inputs = [torch.from_numpy(shown.observations[episode, first])]
        counted = torch.ones(BATCH, CHUNK, 1)
        if pending:
            known = rng.integers(pending, endpoint=True, size=BATCH)[:, None]
            mask = torch.from_numpy((steps[:pending] < known).astype(np.float32))[:, :, None]
            executed = torch.from_numpy(shown.executed[rows, columns[:, :pending]])
            inputs.append(torch.cat((executed * mask, mask), dim=2))
            counted[:, :pending] -= mask
        errors = (network(*inputs) - torch.from_numpy(shown.labels[rows, columns])).square() * counted
        return errors.sum() / (counted.sum() * ACTION)  # type: ignore[no-any-return]

    fit(network, error)
    return network


def clone_head(shown: Shown, network: ChunkNetwork, *, seed: int) -> Correction:
    """A head trained on ``shown`` and the chunks of ``network``, each action at a random step."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    head = Correction()
    episodes, ticks, _ = shown.labels.shape

    def error() -> Tensor:
        episode = rng.integers(episodes, size=BATCH)
        first = rng.integers(ticks - CHUNK + 1, size=BATCH)
        step = rng.integers(CHUNK, size=BATCH)
        with torch.no_grad():
            planned = network(torch.from_numpy(shown.observations[episode, first]))[np.arange(BATCH), step]
        newest = torch.from_numpy(shown.observations[episode, first + step])
        errors = head(newest, planned, torch.from_numpy(step)) - torch.from_numpy(shown.labels[episode, first + step])
        return errors.square().mean()  # type: ignore[no-any-return]

    fit(head, error)
    return head


def clone_head_alone(shown: Shown, *, seed: int) -> nn.Module:
    """A network as small as the head, trained to act on the newest observation."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    head = nn.Sequential(perceptron(OBSERVED, ACTION, HEAD_UNITS), nn.Tanh())
    episodes, ticks, _ = shown.labels.shape

    def error() -> Tensor:
        episode, tick = rng.integers(episodes, size=BATCH), rng.integers(ticks, size=BATCH)
        labels = torch.from_numpy(shown.labels[episode, tick])
        errors = head(torch.from_numpy(shown.observations[episode, tick])) - labels
        return errors.square().mean()  # type: ignore[no-any-return]

    fit(head, error)
    return head


def as_built(network: nn.Module) -> nn.Module:
    """``network``: it is trained already."""
    return network


def of_chunks(network: nn.Module, **options: Any) -> PolicyFactory:
    """``network`` as a policy of chunks."""
    return hocket.TorchPolicy(partial(as_built, network), decide=continuous, chunk_length=CHUNK, **options)


def stopping(network: nn.Module) -> PolicyFactory:
    """``network`` as a policy of chunks that begin to play when they come."""
    return of_chunks(network, alignment=hocket.Alignment.RELEASE)


def told(network: ChunkNetwork, delay: int) -> PolicyFactory:
    """``network`` as a policy of chunks with a prefix."""
    return of_chunks(Committed(network, delay), pending=network.pending)


def corrected(network: ChunkNetwork, head: Correction) -> PolicyFactory:
    """``network`` as a policy of chunks that ``head`` corrects."""
    return hocket.TwoStage(of_chunks(network), head.act, newest=True, delay_told=True)


def single(network: nn.Module) -> PolicyFactory:
    """``network`` as a policy of single actions."""
    return hocket.TorchPolicy(partial(as_built, network), decide=continuous)


STAGGERED, ONE_IN_FLIGHT = hocket.TickDispatch(IN_FLIGHT), hocket.OneInFlight(1)
SWITCH, BLEND = Switch(), Blend()
ARMS = ("stop and wait", "one in flight", "staggered", "staggered, blend", "staggered, prefix", "staggered, head")
"""Those that are drawn."""
MORE = (
    "stop and wait, 16 steps", "one in flight, prefix", "one in flight, head", "a worker a tick", "single action",
)  # fmt: skip
REFERENCES = ("expert", "head alone", "nothing")
COMPARED, COMPARED_DELAYS = ("staggered", "one in flight"), (16, 24)


class Watched(gym.Wrapper[Floats, Floats, Floats, Floats]):
    """Keeps the distance of each tick."""

    def __init__(self, env: ServoReacher) -> None:
        super().__init__(env)
        self.distances: list[float] = []

    def step(self, action: Floats) -> tuple[Floats, Any, bool, bool, dict[str, Any]]:
        """As the environment's."""
        outcome = super().step(action)
        self.distances.append(outcome[4]["distance"])
        return outcome


def play(policy: PolicyFactory, rule: Rule, delay: int, seed: int, handover: Handover) -> Row:
    """The figures of one run."""
    env = Watched(ServoReacher())
    result = hocket.run(
        env,
        policy,
        rule,
        hocket.Virtual(hz=HZ, latency=hocket.Constant((delay + 0.25) / HZ)),
        ticks=WARM_UP_TICKS + EPISODES * EPISODE_TICKS,
        default=hocket.RepeatLast(),
        handover=handover,
        seed=TARGETS_SEED + seed,
    )
    env.close()
    metrics = result.metrics(WARM_UP_TICKS)
    inference = metrics.ticks.inference
    angles = np.asarray(result.record.actions[WARM_UP_TICKS:]) * RANGE
    taken_over = (inference[1:] >= 0) & (inference[1:] != inference[:-1])
    jumps = np.abs(np.diff(angles, axis=0)).max(axis=1)[taken_over]
    seam_p50, seam_p99 = percentiles(jumps, 50, 99)
    (age_p99,) = percentiles(metrics.delays, 99)
    rewards = np.frombuffer(result.record.rewards)[WARM_UP_TICKS:]
    row = {
        "mean_return": rewards.sum() / EPISODES,
        "distance_cm": 100 * np.mean(env.distances[WARM_UP_TICKS:]),
        "coverage": metrics.coverage,
        "age_mean": metrics.delays.mean(),
        "age_p99": age_p99,
        "seam_p50": seam_p50,
        "seam_p99": seam_p99,
        "inferences": len(np.unique(inference[inference >= 0])),
    }
    return {name: round(float(value), 4) for name, value in row.items()}


@dataclass(frozen=True)
class ChunkRun(OneSeed):
    """One seed of the arms whose networks are alike."""

    seed: int

    def play(self) -> list[Row]:
        torch.set_num_threads(1)
        return list(self.rows())

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Every arm at each delay."""

    def shown(self) -> Shown:
        """The demonstrations of this seed."""
        return demonstrate(load_expert(), episodes=SHOWN_EPISODES, ticks=SHOWN_TICKS, seed=self.seed)

    def row(self, arm: str, delay: int, policy: PolicyFactory, rule: Rule, handover: Handover = SWITCH) -> Row:
        """The row of a run."""
        return {"arm": arm, "delay": delay, "seed": self.seed, **play(policy, rule, delay, self.seed, handover)}

    def reference(self, arm: str, policy: PolicyFactory) -> Row:
        """The row of a run without delay."""
        return {**self.row(arm, 0, policy, hocket.TickDispatch(1)), "delay": ANY}


class PlainRun(ChunkRun):
    """The arms that play chunks as they are."""

    @property
    def cell(self) -> str:
        return "plain"

    def rows(self) -> Iterator[Row]:
        network = clone(self.shown(), pending=0, seed=self.seed)
        half = FirstSteps(network, CHUNK // 2)
        for delay in DELAYS:
            yield self.row("stop and wait", delay, stopping(network), hocket.Sequential())
            yield self.row("stop and wait, 16 steps", delay, stopping(half), hocket.Sequential())
            yield self.row("one in flight", delay, of_chunks(network), ONE_IN_FLIGHT)
            yield self.row("staggered", delay, of_chunks(network), STAGGERED)


class EveryTickRun(ChunkRun):
    """The arms with an inference a tick. Without delay they are as *staggered*."""

    @property
    def cell(self) -> str:
        return "every_tick"

    def rows(self) -> Iterator[Row]:
        network = clone(self.shown(), pending=0, seed=self.seed)
        for delay in DELAYS[1:]:
            rule = hocket.TickDispatch(delay + 1)
            yield self.row("a worker a tick", delay, of_chunks(network), rule)
            yield self.row("single action", delay, single(FirstSteps(network, 1)), rule)


class BlendRun(ChunkRun):
    """The arm whose chunks are blended."""

    @property
    def cell(self) -> str:
        return "blend"

    def rows(self) -> Iterator[Row]:
        network = clone(self.shown(), pending=0, seed=self.seed)
        for delay in DELAYS:
            yield self.row("staggered, blend", delay, of_chunks(network), STAGGERED, BLEND)


class PrefixRun(ChunkRun):
    """The arms whose networks are told the decided actions."""

    @property
    def cell(self) -> str:
        return "prefix"

    def rows(self) -> Iterator[Row]:
        network = clone(self.shown(), pending=PREFIX, seed=self.seed)
        for delay in DELAYS:
            yield self.row("staggered, prefix", delay, told(network, delay), STAGGERED)
            yield self.row("one in flight, prefix", delay, told(network, delay), ONE_IN_FLIGHT)


class HeadRun(ChunkRun):
    """The arms whose actions a head corrects, and the head alone."""

    @property
    def cell(self) -> str:
        return "head"

    def rows(self) -> Iterator[Row]:
        shown = self.shown()
        network = clone(shown, pending=0, seed=self.seed)
        head = clone_head(shown, network, seed=self.seed)
        for delay in DELAYS:
            yield self.row("staggered, head", delay, corrected(network, head), STAGGERED)
            yield self.row("one in flight, head", delay, corrected(network, head), ONE_IN_FLIGHT)
        yield self.reference("head alone", single(clone_head_alone(shown, seed=self.seed)))


class ReferenceRun(ChunkRun):
    """The references that are not cloned."""

    @property
    def cell(self) -> str:
        return "references"

    def rows(self) -> Iterator[Row]:
        expert = load_expert()
        yield self.reference("expert", hocket.FunctionPolicy(lambda observation: expert(observation[None])[0]))
        yield self.reference("nothing", hocket.FunctionPolicy(lambda observation: np.zeros(ACTION, np.float32)))


def tasks() -> list[ChunkRun]:
    """Every seed of the chosen arms, one after the other; then what is there to understand them."""
    chosen = [run(seed) for seed in SEEDS for run in (ReferenceRun, PlainRun, BlendRun, PrefixRun, HeadRun)]
    return [*chosen, *map(EveryTickRun, SEEDS)]


def table(rows: list[Row], column: str) -> str:
    """``column`` by arm and delay, in Markdown."""

    def lines() -> Iterator[str]:
        yield f"| {FIGURES[column]} | " + " | ".join(f"d = {delay}" for delay in DELAYS) + " |"
        yield "|---" * (1 + len(DELAYS)) + "|"
        for arm in (*ARMS, *MORE):
            if values_of(rows, column, arm=arm):
                cells = [cell(values_of(rows, column, arm=arm, delay=delay)) for delay in DELAYS]
                yield f"| {arm} | " + " | ".join(cells) + " |"
        for arm in REFERENCES:
            yield f"| {arm} | {cell(values_of(rows, column, arm=arm))}" + " |" * len(DELAYS)

    return "\n".join(lines())


def compared(rows: list[Row], one: str, other: str, delay: int) -> str:
    """The difference of two arms' returns, by Welch's interval and by that of the seeds' own differences."""
    first, second = (values_of(rows, arm=arm, delay=delay) for arm in (one, other))
    mean, half = difference(first, second)
    _, paired = interval([a - b for a, b in zip(first, second, strict=True)])
    return f"{one} less {other} at d = {delay}: {mean:.2f} ± {half:.2f} (seed by seed ± {paired:.2f})"


def collect(rows: list[Row]) -> None:
    """Write the table, draw the figure, print all figures and the comparison."""
    write_rows(TABLE, rows, COLUMNS)
    draw_by_delay(
        rows,
        FIGURE,
        title="A cloned chunk policy, delay-only, virtual",
        arms=ARMS,
        references=REFERENCES,
        meaning="mean return of an episode",
        hz=HZ,
    )
    for column in FIGURES:
        print(table(rows, column), end="\n\n")
    for delay in COMPARED_DELAYS:
        print(compared(rows, *COMPARED, delay))
    print(f"{TABLE}, {FIGURE}")


if __name__ == "__main__":
    assert __doc__ is not None
    command(__doc__, tasks(), COLUMNS, collect)
