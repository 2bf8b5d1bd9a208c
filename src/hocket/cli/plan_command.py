"""``hocket plan``: recommends a rule and a number of workers, from inference times or a network measured here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.progress import Progress

import hocket
from hocket.analysis.figure import check_drawable
from hocket.analysis.plan import Plan, row
from hocket.analysis.predictability import Predictability
from hocket.cli import console
from hocket.cli.cautions import check_usual, mean_s
from hocket.cli.options.acting import make_world, number_of, parse_latency, rate_of
from hocket.cli.options.numbers import check_numbers
from hocket.cli.options.run import RunArguments
from hocket.cli.options.typed import Need, check_needs, given, spelled
from hocket.cli.outcome import conclude
from hocket.cli.policies import Trained, chosen_policy, made_policy
from hocket.core.rules import Rule
from hocket.errors import ConfigurationError
from hocket.latency.laws import LatencyModel
from hocket.policies.base import PolicyFactory
from hocket.policies.torch_policy import TorchPolicy

USUAL_PREDICTABILITY = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanArguments:
    """The options of ``hocket plan``."""

    latency: str | None = None
    """Inference times: seconds, lognormal:MEAN:SIGMA, gamma:MEAN:SHAPE, heavy:MEAN[:SHARE:FACTOR], or a file
    (of seconds, or a saved run's inferences.npz). If not given, the network for --env is measured."""
    env: str | None = None
    """Any Gymnasium id; see: hocket envs."""
    env_args: str | None = None
    """Arguments of the environment as NAME=VALUE,…"""
    repeat_action_probability: float = 0.0
    """Probability of Atari's sticky actions."""
    hz: float | None = None
    """Ticks per second; the environment's own rate if it has one."""
    predictability: str = "auto"
    """The environment's ρ, or auto: estimated from --env, else 0.99."""
    policy: str = "network"
    """The policy to measure: an untrained network, random actions, FILE.py:NAME for a policy of your own, or the
    folder or a checkpoint that hocket train has saved."""
    width: float = 1.0
    """Width multiplier of the network."""
    deep: bool = False
    """Use the IMPALA net of twice the depth."""
    frame_stack: int = 1
    """Observations that the network gets at once."""
    device: str = "cpu"
    """Device of the network: cpu, cuda, cuda:1, ..."""
    variants: bool = True
    """Also measure the network with more threads a worker, and in bfloat16 if the processor supports it."""
    cores: float | None = None
    """Processors that workers may use; by default all if the network is measured, else no limit."""
    memory_gb: float | None = None
    """Memory that workers may take."""
    worker_price: float | None = None
    """Regret per tick that each worker must save; by default 0.01 divided by the workers that the mean needs."""
    max_workers: int | None = None
    """The largest number of workers to forecast."""
    update_latency: str | None = None
    """Durations of one learning update, in the forms of --latency, to recommend a number of learners."""
    limit_seconds: float = 18.0
    """Time limit of all forecasts together, without measuring."""
    seed: int = 0
    """Seed of all randomness."""
    out: Path | None = None
    """Draw the frontier into this PNG (needs matplotlib)."""
    json: Path | None = None
    """Also write everything to this file."""


_USUAL = PlanArguments()
OF_THE_WORLD = ("env_args", "frame_stack", "repeat_action_probability")
"""Options that --env is made with."""


def plan(options: Annotated[PlanArguments, tyro.conf.arg(name="")] = _USUAL) -> None:
    """Recommend a rule and a number of workers, before anything runs.

    hocket plan --latency lognormal:0.2:0.3 --hz 60

    hocket plan --env ALE/Boxing-v5 --width 7 measures that network here.
    """
    _check(options)
    acting = RunArguments(
        env=options.env or "CartPole-v1",
        hz=options.hz,
        width=options.width,
        deep=options.deep,
        device=options.device,
        policy=options.policy,
        seed=options.seed,
        **{name: getattr(options, name) for name in OF_THE_WORLD},
    )
    rate = rate_of(acting)
    latency, update = laws_of(options)
    check_usual(hz=rate, latency=(options.latency, latency), update_latency=(options.update_latency, update))
    chosen = chosen_policy(options.policy)
    rho = _predictability(options, acting)
    if isinstance(rho, Predictability):
        console.say(f"predictability of {options.env}: {rho}")
        value = max(rho.value, 1e-3)
    else:
        value = rho
    estimated = asdict(rho) if isinstance(rho, Predictability) else None
    conclude(
        lambda: _plan(options, acting, chosen, rate, value),
        save=(
            lambda made: None if options.out is None else draw(made, options.out),
            lambda made: console.write_json(options.json, {**plain(made), "predictability_estimate": estimated}),
        ),
        show=lambda made: console.say(f"{made}\n\n{run_line(options, made)}"),
    )


def draw(made: Plan, path: Path) -> str:
    """Draw the frontier into a file; returns a line for the user."""
    made.draw(path)
    return f"Drawn in {path}"


def laws_of(options: PlanArguments) -> tuple[LatencyModel | None, LatencyModel | None]:
    """The laws of inferences and of learning updates; None for one that is not given."""
    latency = None if options.latency is None else parse_latency(options.latency)
    update = None if options.update_latency is None else parse_latency(options.update_latency, "update_latency")
    return latency, update


def plain(made: Plan) -> dict[str, Any]:
    """A plan as plain values."""
    recommended = row(made.recommended)
    return {
        "hz": made.hz,
        "predictability": made.predictability,
        "worker_price": made.worker_price,
        "inference": made.inference,
        "workers_needed": made.workers_needed,
        "learners": made.learners,
        "recommended": recommended,
        "why": made.why,
        "cautions": list(made.cautions),
        "forecasts": made.rows(),
    }


def run_line(options: PlanArguments, made: Plan) -> str:
    """The ``hocket run`` command of the plan's recommendation."""
    chosen = made.recommended
    words = ["hocket run", f"--env {options.env or 'YOUR-ENVIRONMENT'}", f"--hz {made.hz:g}", *rule_words(chosen.rule)]
    kept = OF_THE_WORLD if options.latency is not None else (*OF_THE_WORLD, "policy", "width", "deep", "device")
    words += [spelled(name, getattr(options, name)) for name in kept if getattr(options, name) != getattr(_USUAL, name)]
    if options.latency is not None:
        words.append(f"--clock virtual --latency {options.latency}")
    else:
        policy = chosen.agent.policy
        if isinstance(policy, TorchPolicy):
            words += [f"--threads {policy.threads}"] if policy.threads != 1 else []
            words += ["--bfloat16"] if policy.bfloat16 else []
    return " ".join(words)


def rule_words(rule: Rule) -> list[str]:
    """``rule`` as options of ``hocket run``."""
    if isinstance(rule, hocket.Sequential):
        return ["--rule sequential"]
    workers = f"--workers {rule.initial_workers}"
    if isinstance(rule, hocket.TickDispatch):
        words = ["--rule tick-dispatch", workers, f"--quantile {rule.quantile}"]
        words += [f"--predictability {rule.predictability:.6g}"] if rule.predictability is not None else []
        return [*words, "--release-early"] if not rule.hold else words
    kinds: dict[type[Rule], str] = {
        hocket.MaxTime: "max-time",
        hocket.ExpectedTime: "expected-time",
        hocket.Unstaggered: "unstaggered",
    }
    return [f"--rule {kinds[type(rule)]}", workers]


MEASURED_NETWORK = Need("latency", lambda latency: not given(latency), "a network that is measured")
NEEDS = {
    **dict.fromkeys(OF_THE_WORLD, Need("env", given, "--env")),
    **dict.fromkeys(("policy", "width", "deep", "device", "variants"), MEASURED_NETWORK),
}
"""Options that have no effect without a value of another option."""


def _check(options: PlanArguments) -> None:
    if options.latency is None and options.env is None:
        raise ConfigurationError("give --latency, such as lognormal:0.2:0.3, or --env to measure a network for it")
    if options.latency is not None and options.env is None and options.hz is None:
        raise ConfigurationError("--latency without --env has no rate of its own; give one, such as --hz 60")
    check_numbers(options)
    check_needs(options, NEEDS)
    if options.out is not None:
        check_drawable()
        console.check_writable(out=options.out.parent)
    console.check_writable(json=options.json)


def _predictability(options: PlanArguments, acting: RunArguments) -> float | Predictability:
    if options.predictability != "auto":
        value: float = number_of("predictability", options.predictability, float)
        return value
    if options.env is None:
        return USUAL_PREDICTABILITY
    return hocket.estimate_predictability(lambda: make_world(acting), limit_s=10.0, seed=options.seed)


def _plan(
    options: PlanArguments,
    acting: RunArguments,
    chosen: Trained | PolicyFactory | None,
    rate: float,
    predictability: float,
) -> Plan:
    latency, update = laws_of(options)
    with Progress(console=console.console, transient=True, disable=not console.console.is_terminal) as progress:
        task = progress.add_task("plan", total=None)
        more: dict[str, Any] = {
            "predictability": predictability,
            "cores": options.cores,
            "memory_bytes": None if options.memory_gb is None else round(options.memory_gb * 1e9),
            "most_workers": options.max_workers,
            "worker_price": options.worker_price,
            "update_s": None if update is None else mean_s(update),
            "limit_s": options.limit_seconds,
            "seed": options.seed,
            "done": lambda number, of: progress.update(task, completed=number, total=of),
        }
        if latency is not None:
            return hocket.plan(latency, rate, **more)
        env = make_world(acting)
        try:
            policy = made_policy(chosen, acting, env)
            return hocket.plan(policy, rate, env=env, try_variants=options.variants, **more)
        finally:
            env.close()
