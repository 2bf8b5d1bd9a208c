"""``hocket train``: an agent that learns while it acts, by words."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

import hocket
from hocket.cli import console
from hocket.cli.options.acting import (
    MEASURED,
    check_relevant,
    check_width,
    make_clock,
    make_default,
    make_world,
    parse_latency,
    rate_of,
    saved_options,
)
from hocket.cli.options.live import live_page
from hocket.cli.options.train import (
    NEEDS,
    USUAL,
    TrainArguments,
    make_algorithm,
    make_learner,
    make_learning_rule,
    make_network,
)
from hocket.errors import ConfigurationError, HocketError
from hocket.hooks.instrument import Instrument
from hocket.instruments.progress_line import TrainingLine
from hocket.latency.laws import LatencyModel
from hocket.learn.algorithms.schedules import Linear
from hocket.results.files import make_folder, write_json

if TYPE_CHECKING:
    from hocket.models.qnetwork import QNetwork
    from hocket.training.result import TrainResult
from dataclasses import fields
from typing import TYPE_CHECKING

import gymnasium as gym

if TYPE_CHECKING:
    from hocket.learn.algorithms.deep_q import DeepQ
    from hocket.models.qnetwork import QNetwork


def train(options: Annotated[TrainArguments, tyro.conf.arg(name="")] = USUAL) -> None:
    """Let an agent learn while it acts in an environment that does not wait.

    hocket train --config FOLDER/config.json --resume FOLDER goes on from a save.
    """
    console.check_writable(out=options.save, json=options.json)
    result = execute(options)
    console.say(str(result.run.summary()))
    console.say("\n".join(f"{name:<12}{text}" for name, text in learning_figures(result).items()))
    if options.save is not None:
        from hocket.learn.checkpoints.checkpoint import checkpoints

        first_tick = result.run.config.get("first_tick", 0)
        ended_at = next((path.name for path in reversed(checkpoints(options.save))), None)
        config = {**result.run.config, "options": kept_options(options), "checkpoint": ended_at}
        replace(result, run=replace(result.run, config=config)).save(options.save / f"run-{first_tick:09d}")
        console.say(
            f"Saved in {options.save}; go on with --resume {options.save}, see it act with hocket run --policy "
            f"{options.save}"
        )
    console.write_json(options.json, as_json(result))
    if result.error is not None:
        raise HocketError(result.error)


def learning_figures(result: TrainResult) -> dict[str, str]:
    """What a training's summary says beside its run's."""
    final, run = result.final, result.run
    seconds = len(run.record.ticks) / float(run.record.trace.cadence.hz)
    figures = {"updates": f"{result.updates:,}, {result.updates / seconds:.3g} a second of the environment's time"}
    if result.updates:
        stale = result.stalenesses
        figures["staleness"] = f"mean {sum(stale) / len(stale):.3g}, at most {max(stale)} updates"
        lasted = [b - a for a, b in zip(result.started_ns, result.landed_ns, strict=True)]
        figures["an update"] = f"{sum(lasted) / len(lasted) / 1e6:.3g} ms, loss {result.losses[-1]:.3g} in the end"
    figures["evaluation"] = str(final)
    figures["mode"] = str(run.config["mode"])
    return figures


def as_json(result: TrainResult) -> dict[str, Any]:
    """The same as plain values, with the evaluations on the way."""
    final, stale = result.final, result.stalenesses
    return {
        "run": asdict(result.run.summary()),
        "mode": result.run.config["mode"],
        "updates": result.updates,
        "staleness_mean": sum(stale) / len(stale) if len(stale) else None,
        "staleness_max": max(stale) if len(stale) else None,
        "final_mean_return": final.mean if len(final.returns) else None,
        "final_tick": final.tick,
        "evaluations": [{"tick": each.tick, "mean_return": each.mean} for each in result.evaluations],
        "error": result.error,
    }


def execute(options: TrainArguments) -> TrainResult:
    """Train what ``options`` say."""
    rate = rate_of(options)
    check_width(options)
    check_relevant(options, NEEDS)
    if options.save is None and options.save_every != USUAL.save_every:
        raise ConfigurationError(f"--save-every {options.save_every} needs --save; give a folder, or leave it out")
    rule, learner, algorithm = make_learning_rule(options), make_learner(options), make_algorithm(options)
    network = make_network(options, algorithm)
    learn_from_demonstrations(options, network, algorithm)
    clock = make_clock(options, rate, lambda: measured(options, network))
    if options.learning is not None:
        assert isinstance(clock, hocket.Virtual)
        clock = replace(clock, learning=parse_latency(options.learning))
    checkpoints = None
    if options.save is not None:
        checkpoints = hocket.Checkpoints(options.save, every=options.save_every)
        prepare_folder(options.save, options)
    drawn = options.live > 0 and options.save is None  # what an environment draws with cannot always be saved
    with ExitStack() as stack:
        line = stack.enter_context(TrainingLine(options.ticks, title=options.env, console=console.console))
        instruments: list[Instrument] = [line, Evaluations()]
        instruments += stack.enter_context(live_page(options.live, options.live_port, options.live_host))
        if options.tensorboard is not None:
            from hocket.instruments.tensorboard import TensorBoardWriter
            from hocket.instruments.tensorboard_images import TensorBoardPictures

            instruments.append(stack.enter_context(TensorBoardWriter(options.tensorboard)))
            instruments.append(stack.enter_context(TensorBoardPictures(options.tensorboard / "pictures")))
        return hocket.train(
            lambda: make_world(options, drawn=drawn),
            network,
            algorithm,
            rule,
            clock,
            ticks=options.ticks,
            learner=learner,
            acting=hocket.ActingOptions(
                epsilon=None if options.epsilon_ticks is None else Linear(1.0, 0.05, options.epsilon_ticks),
                late_binding=options.late_binding,
                charge=charge_of(options),
            ),
            replay=hocket.ReplayOptions(capacity=options.capacity, frame_stack=options.frame_stack),
            evaluation=hocket.EvaluationOptions(
                every=options.evaluate_every, episodes=options.evaluation_episodes, good_enough=options.good_enough
            ),
            default=make_default(options),
            threads=options.threads,
            seed=options.seed,
            instruments=instruments,
            checkpoints=checkpoints,
            resume=options.resume,
        )


def charge_of(options: TrainArguments) -> LatencyModel | None:
    """In realtime, the inference times of another network that this one is charged with."""
    if options.clock == "virtual" or options.latency is None:
        return None
    if options.latency == MEASURED:
        raise ConfigurationError("--latency measured: in realtime a network takes what it takes; leave it out")
    return parse_latency(options.latency)


def measured(options: TrainArguments, network: QNetwork) -> hocket.analysis.Measured:
    """What an inference of ``network`` takes on this machine."""
    from hocket.learn.policy import LearnedPolicy

    env = make_world(options)
    try:
        return hocket.measure(env, LearnedPolicy(network=network, pending=options.pending, threads=options.threads))
    finally:
        env.close()


class Evaluations(Instrument):
    """Says how each evaluation went."""

    def on_evaluation(self, tick: int, mean_return: float) -> None:
        """See `Instrument`."""
        console.say(f"tick {tick:,}: mean return {mean_return:.4g}")


def prepare_folder(folder: Path, options: TrainArguments) -> None:
    """Keep the options beside the checkpoints; those that a resumed training began with stay."""
    from hocket.learn.checkpoints.checkpoint import check_free

    config = folder / "config.json"
    if options.resume is None:
        check_free(folder)
    elif config.exists():
        return
    make_folder(folder)
    write_json(config, {"options": kept_options(options)})


def kept_options(options: TrainArguments) -> dict[str, Any]:
    """What a config.json keeps of them: not where things go."""
    return saved_options(options, without=("save", "resume", "tensorboard", "json"))


NEEDING = ("pretrain_updates", "pretrain_delay", "margin")


def learn_from_demonstrations(options: TrainArguments, network: QNetwork, algorithm: DeepQ) -> None:
    """Pre-train ``network``, if the options say so. A training that is gone on with has that behind it."""
    if options.demonstrations is None:
        for name in NEEDING:
            given = getattr(options, name)
            if given != getattr(USUAL, name):
                raise ConfigurationError(
                    f"--{name.replace('_', '-')} {given} needs --demonstrations; give a file, or leave it out"
                )
        return
    if options.resume is not None:
        return
    from hocket.learn.algorithms.imitating_dqn import ImitatingDQN

    env = make_world(options)
    env.close()
    if not isinstance(env.action_space, gym.spaces.Discrete):
        raise ConfigurationError(f"learning needs Discrete actions, not {env.action_space}; {options.env} has others")
    demonstrations = hocket.Demonstrations.load(options.demonstrations)
    known = {field.name: getattr(algorithm, field.name) for field in fields(algorithm)}
    losses = hocket.pretrain(
        demonstrations,
        network,
        ImitatingDQN(**known, margin=options.margin, margin_weight=float(options.margin > 0)),
        actions=env.action_space,
        delay_ticks=options.pretrain_delay,
        updates=options.pretrain_updates,
        frame_stack=options.frame_stack,
        threads=options.threads,
        seed=options.seed,
    )
    console.say(
        f"pre-trained: {len(losses):,} updates on {demonstrations.episodes} episodes of mean return "
        f"{demonstrations.returns.mean():.4g}; loss {losses[-1]:.3g} in the end"
    )
