"""``hocket run``: runs a policy in an environment, under the rule and clock that the options name."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import tyro

import hocket
from hocket.cli import console
from hocket.cli.cautions import check_usual, say_starting
from hocket.cli.options.acting import (
    check_acting,
    check_latency,
    make_clock,
    make_default,
    make_rule,
    make_world,
    rate_of,
)
from hocket.cli.options.config_file import saved_options
from hocket.cli.options.live import check_live, live_page
from hocket.cli.options.run import NEEDS, NOT_KEPT, USUAL, RunArguments, ticks_of
from hocket.cli.outcome import conclude
from hocket.cli.policies import Trained, chosen_policy, made_policy
from hocket.results.captions import default_fields
from hocket.results.run_folder import check_no_training


def run(options: Annotated[RunArguments, tyro.conf.arg(name="")] = USUAL) -> None:
    """Let a policy act in an environment that does not wait.

    hocket run --policy FOLDER acts by what hocket train --out FOLDER learned.

    hocket run --config FOLDER/config.json repeats a saved run; options override it.
    """
    if options.out is not None:
        check_no_training(options.out)
    console.check_writable(out=options.out, json=options.json)
    conclude(
        lambda: execute(options),
        save=(
            lambda result: None if options.out is None else f"Saved in {result.save(options.out)}",
            lambda result: console.write_json(options.json, asdict(result.summary())),
        ),
        show=lambda result: show_run(options, result),
    )


def show_run(options: RunArguments, result: hocket.RunResult) -> None:
    """Print the summary."""
    console.say(str(result.summary()))


def execute(options: RunArguments) -> hocket.RunResult:
    """Run as ``options`` say; errors that can be found before torch is loaded are raised before."""
    rate = rate_of(options)
    check_acting(options, NEEDS)
    check_live(options.live, options.live_port, options.live_host)
    ticks = ticks_of(options, rate)
    rule, default, latency = make_rule(options), make_default(options), check_latency(options)
    check_usual(hz=rate, workers=rule.initial_workers, latency=(options.latency, latency))
    chosen = chosen_policy(options.policy, options.token)
    if isinstance(chosen, Trained):
        console.say(f"acting by {chosen.weights}")
    env = make_world(options, drawn=options.live)
    known = saved_options(options, without=NOT_KEPT)
    try:
        policy = made_policy(chosen, options, env)
        clock = make_clock(options, rate, latency, lambda: hocket.measure(env, policy))
        page = live_page(options.live, options.live_port, options.live_host)
        with page as watching, console.progress(options.env, ticks) as instruments:
            say_starting(rule, clock)
            return hocket.run(
                env,
                policy,
                rule,
                clock,
                ticks=ticks,
                default=default,
                seed=options.seed,
                instruments=[*watching, *instruments],
                config={"options": known, "default_fields": [f"options.{name}" for name in default_fields(options)]},
            )
    finally:
        env.close()
