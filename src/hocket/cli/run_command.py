"""``hocket run``: any environment, policy size, rule and clock, by words."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import tyro

import hocket
from hocket.cli import console
from hocket.cli.options.acting import (
    check_relevant,
    check_width,
    make_clock,
    make_default,
    make_rule,
    make_world,
    rate_of,
    saved_options,
)
from hocket.cli.options.live import live_page
from hocket.cli.options.run import NEEDS, USUAL, RunArguments, ticks_of
from hocket.cli.policies import Trained, chosen_policy, made_policy
from hocket.results.descriptions import default_fields


def run(options: Annotated[RunArguments, tyro.conf.arg(name="")] = USUAL) -> None:
    """Let a policy act in an environment that does not wait.

    hocket run --policy FOLDER acts by what hocket train --save FOLDER learned.

    hocket run --config FOLDER/config.json repeats a saved run; options override it.
    """
    console.check_writable(out=options.out, json=options.json)
    result = execute(options)
    console.say(str(result.summary()))
    if options.out is not None:
        console.say(f"Saved in {result.save(options.out)}")
    console.write_json(options.json, asdict(result.summary()))
    if result.record.interrupted:
        raise KeyboardInterrupt


def execute(options: RunArguments) -> hocket.RunResult:
    """Run what ``options`` say; an interrupted run is a result too."""
    chosen, needs = chosen_policy(options.policy), dict(NEEDS)
    if isinstance(chosen, Trained):
        del needs["threads"], needs["device"]  # it has a network, too
        console.say(f"acting by {chosen.weights}")
    rate = rate_of(options)
    ticks = ticks_of(options, rate)
    check_width(options)
    check_relevant(options, needs)
    rule = make_rule(options)
    env = make_world(options, drawn=bool(options.live))
    known = saved_options(options, without=("out", "json"))
    try:
        policy = made_policy(chosen, options, env)
        clock = make_clock(options, rate, lambda: hocket.measure(env, policy))
        page = live_page(options.live, options.live_port, options.live_host)
        with page as watching, console.progress(options.env, ticks) as instruments:
            return hocket.run(
                env,
                policy,
                rule,
                clock,
                ticks=ticks,
                default=make_default(options),
                seed=options.seed,
                instruments=[*watching, *instruments],
                config={"options": known, "default_fields": [f"options.{name}" for name in default_fields(options)]},
            )
    except hocket.RunInterrupted as interrupted:
        return interrupted.result
    finally:
        env.close()
