"""``hocket train``: trains an agent that learns while it acts, as the options say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import gymnasium as gym
import tyro

import hocket
from hocket.cli import console
from hocket.cli.cautions import check_usual, say_starting
from hocket.cli.options.acting import (
    MEASURED,
    check_acting,
    check_latency,
    make_clock,
    make_default,
    make_world,
    parse_latency,
    rate_of,
)
from hocket.cli.options.config_file import saved_options
from hocket.cli.options.head import arranged
from hocket.cli.options.live import check_live, live_page
from hocket.cli.options.numbers import check_numbers
from hocket.cli.options.train import (
    NEEDS,
    NOT_KEPT,
    USUAL,
    TrainArguments,
    check_learnable,
    make_algorithm,
    make_learner,
    make_learning_rule,
    make_network,
    make_replay_options,
    with_algorithm,
)
from hocket.cli.outcome import conclude
from hocket.errors import ConfigurationError, HocketError
from hocket.hooks.instrument import Instrument
from hocket.instruments.progress_line import TrainingLine
from hocket.latency.laws import LatencyModel
from hocket.learn.algorithms.schedules import Linear
from hocket.results.captions import default_fields
from hocket.results.files import make_folder, write_json

if TYPE_CHECKING:
    from hocket.learn.algorithms.algorithm import Algorithm
    from hocket.models.actor_and_critics import ActorCritic
    from hocket.models.qnetwork import QNetwork
    from hocket.training.result import TrainResult


def train(options: Annotated[TrainArguments, tyro.conf.arg(name="")] = USUAL) -> None:
    """Let an agent learn while it acts in an environment that does not wait.

    hocket train --config FOLDER/config.json --resume FOLDER resumes a training.
    """
    console.check_writable(out=options.out, json=options.json)
    check_numbers(options)
    options = with_algorithm(options)
    result = conclude(
        lambda: execute(options),
        save=(
            lambda result: save_training(options, result),
            lambda result: console.write_json(options.json, as_json(result)),
        ),
        show=show_training,
    )
    if result.error is not None:
        raise HocketError(result.error)


def save_training(options: TrainArguments, result: TrainResult) -> str | None:
    """Write the run beside the checkpoints into the folder of --out; returns a line for the user."""
    from hocket.learn.checkpoints.checkpoint import checkpoints

    if options.out is None:
        return None
    run = result.run
    ended_at = next((path.name for path in reversed(checkpoints(options.out))), None)
    config = {**run.config, "checkpoint": ended_at}
    config["default_fields"] = [*config["default_fields"], *(f"options.{name}" for name in default_fields(options))]
    folder = options.out / f"run-{run.config.get('first_tick', 0):09d}"
    replace(result, run=replace(run, config=config)).save(folder)
    if ended_at is None:
        return f"Saved in {options.out}, without a checkpoint"
    return f"Saved in {options.out}; resume it with --resume {options.out}, or run hocket run --policy {options.out}"


def show_training(result: TrainResult) -> None:
    """Print the summary of the run and that of the learning."""
    console.say(str(result.run.summary()))
    console.say("\n".join(f"{name:<12}{text}" for name, text in learning_figures(result).items()))


def learning_figures(result: TrainResult) -> dict[str, str]:
    """The summary of the learning, to print below that of the run."""
    final, run = result.final, result.run
    seconds = len(run.record.ticks) / float(run.record.trace.cadence.hz)
    rate = f", {result.updates / seconds:.3g} a second of the environment's time" if seconds else ""
    figures = {"updates": f"{result.updates:,}{rate}"}
    if result.updates:
        stale = result.stalenesses
        figures["staleness"] = f"mean {sum(stale) / len(stale):.3g}, at most {max(stale)} updates"
        lasted = [b - a for a, b in zip(result.started_ns, result.landed_ns, strict=True)]
        figures["an update"] = f"{sum(lasted) / len(lasted) / 1e6:.3g} ms, loss {result.losses[-1]:.3g} in the end"
    figures["head"] = str(run.config["head"])
    figures["evaluation"] = str(final)
    figures["mode"] = str(run.config["mode"])
    return figures


def as_json(result: TrainResult) -> dict[str, Any]:
    """The same as plain values, with the evaluations during the training."""
    final, stale = result.final, result.stalenesses
    return {
        "run": asdict(result.run.summary()),
        "mode": result.run.config["mode"],
        "head": result.run.config["options"]["head"],
        "head_why": result.run.config["head"],
        "updates": result.updates,
        "staleness_mean": sum(stale) / len(stale) if len(stale) else None,
        "staleness_max": max(stale) if len(stale) else None,
        "final_mean": final.mean if len(final.returns) else None,
        "final_tick": final.tick,
        "evaluations": [{"tick": each.tick, "mean_return": each.mean} for each in result.evaluations],
        "error": result.error,
    }


def execute(options: TrainArguments) -> TrainResult:
    """Train as ``options`` say; errors that can be found before torch is loaded are raised before."""
    rate = rate_of(options)
    check_acting(options, NEEDS)
    check_live(options.live, options.live_port, options.live_host)
    rule, learner, default = make_learning_rule(options), make_learner(options), make_default(options)
    charge, replay = charge_of(options), make_replay_options(options)
    evaluation = hocket.EvaluationOptions(
        every_ticks=options.evaluate_every, episodes=options.evaluation_episodes, good_enough=options.good_enough
    )
    latency = check_latency(options)
    update_latency = None if options.update_latency is None else parse_latency(options.update_latency, "update_latency")
    if options.demonstrations is not None and not options.demonstrations.is_file():
        raise ConfigurationError(f"--demonstrations {options.demonstrations} is not there; give a file of episodes")
    check_usual(
        hz=rate,
        workers=rule.initial_workers,
        latency=(options.latency, charge or latency),
        update_latency=(options.update_latency, update_latency),
    )
    check_learnable(options)
    algorithm = make_algorithm(options)
    if latency is None and options.clock == "virtual":
        latency = measured(options, algorithm)
    arrangement = arranged(options, algorithm, hz=rate, law=charge or latency)
    options = arrangement.options
    acting = hocket.ActingOptions(
        epsilon=None if options.epsilon_ticks is None else Linear(1.0, 0.05, options.epsilon_ticks),
        late_binding=options.head == "actions",
        charge=charge,
    )
    network = make_network(options, algorithm)
    shown = learn_from_demonstrations(options, network, algorithm)
    clock = make_clock(options, rate, latency, lambda: measured(options, algorithm))
    if update_latency is not None:
        assert isinstance(clock, hocket.Virtual)
        clock = replace(clock, learning=update_latency)
    checkpoints = None
    if options.out is not None:
        checkpoints = hocket.Checkpoints(options.out, every_ticks=options.save_every)
        prepare_folder(options.out, options)

    def described(result: TrainResult) -> TrainResult:
        config = {**result.run.config, "head": str(arrangement), "options": kept_options(options)}
        return replace(result, run=replace(result.run, config=config))

    drawn = options.live and options.out is None  # the random state of an environment cannot always be saved
    with ExitStack() as stack:
        line = stack.enter_context(TrainingLine(options.ticks, title=options.env, console=console.console))
        instruments: list[Instrument] = [line, Evaluations()]
        instruments += stack.enter_context(live_page(options.live, options.live_port, options.live_host))
        if options.tensorboard is not None:
            from hocket.instruments.tensorboard import TensorBoardWriter
            from hocket.instruments.tensorboard_images import TensorBoardPictures

            instruments.append(stack.enter_context(TensorBoardWriter(options.tensorboard)))
            instruments.append(stack.enter_context(TensorBoardPictures(options.tensorboard / "pictures")))
        say_starting(rule, clock)
        stack.enter_context(result_of_error(described))
        result = hocket.train(
            lambda: make_world(options, drawn=drawn),
            network,
            algorithm,
            rule,
            clock,
            ticks=options.ticks,
            envs=options.envs,
            learner=learner,
            acting=acting,
            replay=replay,
            evaluation=evaluation,
            default=default,
            threads=options.threads,
            seed=options.seed,
            instruments=instruments,
            demonstrations=shown,
            checkpoints=checkpoints,
            resume=options.resume,
        )
    return described(result)


@contextmanager
def result_of_error(described: Callable[[TrainResult], TrainResult]) -> Iterator[None]:
    """Inside, an error that carries a training's result leaves with what ``described`` makes of it."""
    try:
        yield
    except BaseException as error:
        result = getattr(error, "result", None)
        if isinstance(result, hocket.TrainResult):
            error.result = described(result)  # type: ignore[attr-defined]
        raise


def charge_of(options: TrainArguments) -> LatencyModel | None:
    """The inference times of another network that this one is charged with in realtime."""
    if options.clock == "virtual" or options.latency is None:
        return None
    if options.latency == MEASURED:
        raise ConfigurationError("--latency measured needs --clock virtual; in realtime leave it out")
    return parse_latency(options.latency)


def measured(options: TrainArguments, algorithm: Algorithm) -> hocket.analysis.Measured:
    """Measure the inference times of the network, in one stage, on this machine."""
    from hocket.learn.policy import LearnedPolicy

    network = make_network(replace(options, head="none", pending=0), algorithm)
    env = make_world(options)
    try:
        return hocket.measure(env, LearnedPolicy(network=network, threads=options.threads))
    finally:
        env.close()


class Evaluations(Instrument):
    """Prints the result of each evaluation."""

    def on_evaluation(self, tick: int, mean_return: float) -> None:
        """See `Instrument`."""
        console.say(f"tick {tick:,}: mean return {mean_return:.4g}")


def prepare_folder(folder: Path, options: TrainArguments) -> None:
    """Write the options beside the checkpoints; a resumed training keeps its first ones."""
    from hocket.learn.checkpoints.checkpoint import check_free

    config = folder / "config.json"
    if options.resume is None:
        check_free(folder)
    elif config.exists():
        return
    make_folder(folder)
    write_json(config, {"options": kept_options(options)})


def kept_options(options: TrainArguments) -> dict[str, Any]:
    """The options that a config.json keeps: all but `NOT_KEPT`."""
    return saved_options(options, without=NOT_KEPT)


def learn_from_demonstrations(
    options: TrainArguments, network: QNetwork | ActorCritic, algorithm: Algorithm
) -> hocket.DemonstrationOptions | None:
    """Pre-train ``network`` if the options say so; skipped for a resumed training, which already was.

    Returns:
        the demonstrations that the training keeps, or None.
    """
    if options.demonstrations is None:
        return None
    from hocket.learn.algorithms.dqn import DQN
    from hocket.models.qnetwork import QNetwork

    share = options.demonstration_share
    shown = hocket.DemonstrationOptions(
        hocket.Demonstrations.load(options.demonstrations),
        delay_ticks=options.demonstration_delay,
        interval_ticks=options.demonstration_interval,
        **({"share": share} if share else {}),
    )
    if options.resume is None:
        env = make_world(options)
        env.close()
        assert isinstance(env.action_space, gym.spaces.Discrete)
        assert isinstance(network, QNetwork) and isinstance(algorithm, DQN)
        losses = hocket.pretrain(
            shown,
            network,
            algorithm,
            actions=env.action_space,
            updates=options.pretrain_updates,
            replay=make_replay_options(options),
            threads=options.threads,
            seed=options.seed,
        )
        demonstrations = shown.demonstrations
        console.say(
            f"pre-trained: {len(losses):,} updates on {demonstrations.episodes} episodes of mean return "
            f"{demonstrations.returns.mean():.4g}; loss {losses[-1]:.3g} in the end"
        )
    return shown if share else None
