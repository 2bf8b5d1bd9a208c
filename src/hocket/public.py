"""The table of public names. ``__all__``, ``dir()`` and ``docs/api.md`` are made from it.

A package lists its names in groups, each name with the module that defines it. Names are imported at first
use, so ``import hocket`` loads neither the drivers nor torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

PUBLIC: dict[str, dict[str, dict[str, str]]] = {
    "hocket": {
        "Run": {
            "hocket.running.run": "run",
            "hocket.running.result": "load RunResult",
            "hocket.drivers.virtual": "Virtual",
            "hocket.drivers.realtime": "Realtime Overrun",
            "hocket.drivers.executors.processes": "Processes",
            "hocket.drivers.executors.threads": "Threads",
            "hocket.policies.failures": "FailureLimits",
            "hocket.drivers.loop_thread": "realtime_priority",
        },
        "Your own loop": {
            "hocket.drivers.agent": "StaggeredAgent",
            "hocket.drivers.engine": "Decision",
        },
        "Scheduling rules": {
            "hocket.core.rules.base": "Rule",
            "hocket.core.rules.tick_dispatch": "TickDispatch",
            "hocket.core.rules.staggered": "MaxTime ExpectedTime",
            "hocket.core.rules.baselines": "Sequential Learn Unstaggered OneInFlight",
        },
        "Policies": {
            "hocket.policies.base": "Policy PolicyFactory FunctionPolicy Alignment TwoStage Stages",
            "hocket.policies.torch_policy": "TorchPolicy",
            "hocket.policies.charged": "Charged",
        },
        "Default behaviours": {
            "hocket.spaces.defaults": "Default Fixed RepeatLast RandomDefault Fallback",
        },
        "Inference times": {
            "hocket.latency.laws": "LatencyModel Constant LogNormal Gamma HeavyTail Empirical PerWorker Changing",
            "hocket.latency.contention": "Crowded",
        },
        "Delay without workers": {
            "hocket.envs.induced_delay": "InducedDelay",
        },
        "Training": {
            "hocket.training.training": "train",
            "hocket.training.pretraining": "pretrain",
            "hocket.training.demonstrations": "demonstrate Demonstrations",
            "hocket.learn.learners.options": "InLoop RoundRobin ParallelBatch",
            "hocket.training.options": "ActingOptions ReplayOptions DemonstrationOptions EvaluationOptions Checkpoints",
            "hocket.training.result": "TrainResult",
        },
        "Measuring and planning": {
            "hocket.analysis.inference_times": "measure",
            "hocket.analysis.agent_profile": "measure_agent",
            "hocket.analysis.predictability": "estimate_predictability",
            "hocket.analysis.decomposition": "decompose",
            "hocket.analysis.plan": "plan",
            "hocket.analysis.forecast": "forecast Agent",
            "hocket.analysis.choice": "workers_needed learners_needed",
        },
        "Instruments": {
            "hocket.hooks.instrument": "Instrument",
            "hocket.instruments.live.live_page": "LivePage",
        },
        "Errors": {
            "hocket.errors": (
                "HocketError ConfigurationError MissingExtraError ActionError EnvError PolicyError CancelledError "
                "ProtocolError TraceError CheckpointError DivergenceError NotSolvedError"
            ),
            "hocket.running.result": "RunInterrupted",
        },
        "Packages": {
            "hocket": (
                "analysis core drivers envs instruments latency learn models policies remote results spaces testing "
                "theory training"
            ),
        },
    },
    "hocket.analysis": {
        "Results": {
            "hocket.latency.laws": "Measured",
            "hocket.analysis.plan": "Plan Source",
            "hocket.analysis.forecast": "Forecast",
            "hocket.analysis.decomposition": "Counterfactual Losses",
            "hocket.analysis.estimates": "Estimate",
            "hocket.analysis.predictability": "Predictability",
        },
    },
    "hocket.core": {
        "Scheduling rules": {
            "hocket.core.rules.base": "Rule Schedule Start",
            "hocket.core.rules.tick_dispatch": "TickDispatch",
            "hocket.core.rules.staggered": "MaxTime ExpectedTime",
            "hocket.core.rules.baselines": "Sequential Learn Unstaggered OneInFlight",
            "hocket.core.inference": "Inference",
            "hocket.core.claims": "Claim",
            "hocket.core.window": "Window",
        },
        "Scheduler": {
            "hocket.core.scheduler": "Scheduler",
            "hocket.core.cadence": "Cadence",
            "hocket.core.trace": "Trace",
        },
        "Events": {
            "hocket.core.events": (
                "Event WorkerJoined WorkerLost DeadlineReached Ticked InferenceFinished TrunkFinished InferenceFailed "
                "InferenceCancelled TimerDue LearningFinished PredictabilityEstimated RunEnded"
            ),
        },
        "Commands": {
            "hocket.core.commands": (
                "Command StartInference BindHead Cancel Execute ExecuteDefault EndInference Outcome StartLearning "
                "WakeAt AddWorker RetireWorker"
            ),
        },
    },
    "hocket.drivers": {
        "Clocks": {
            "hocket.drivers.virtual": "Virtual VirtualRun",
            "hocket.drivers.run_setup": "RunSetup",
            "hocket.drivers.realtime": "Realtime Overrun",
            "hocket.drivers.loop_thread": "realtime_priority",
        },
        "Your own loop": {
            "hocket.drivers.agent": "StaggeredAgent",
            "hocket.drivers.engine": "Decision",
        },
        "Seams of chunks": {
            "hocket.drivers.handover": "Handover Switch Blend",
        },
        "Executors": {
            "hocket.drivers.executors.processes": "Processes",
            "hocket.drivers.executors.threads": "Threads",
            "hocket.drivers.executors.base": "ExecutorKind Executor RealtimeExecutor WorkerJob Report",
        },
    },
    "hocket.envs": {
        "Environments by id": {
            "hocket.envs.catalog": (
                "make_env known_environments KnownEnvironment natural_hz natural_spec RealtimeSpec"
            ),
        },
        "Environments": {
            "hocket.envs.atari": "make_atari",
            "hocket.envs.null": "NullEnv",
            "hocket.envs.induced_delay": "InducedDelay",
        },
        "Wrappers and state": {
            "hocket.envs.preprocessing": "stack_frames grey_frames",
            "hocket.envs.state": "snapshot take_snapshot restore reseed",
            "hocket.envs.verification": "verify_snapshot",
        },
    },
    "hocket.envs.gameboy": {
        "Environments": {
            "hocket.envs.gameboy.env": "GameBoyEnv",
            "hocket.envs.gameboy.factory": "gameboy_available",
            "hocket.envs.gameboy.buttons": "Button",
        },
        "Games": {
            "hocket.envs.gameboy.game": "Game Tick",
            "hocket.envs.gameboy.tetris": "Tetris Score",
            "hocket.envs.gameboy.pokemon": "PokemonBattles PokemonCatching Battle Hunt Version RED BLUE YELLOW",
        },
        "States": {
            "hocket.envs.gameboy.states": "Pool read_state write_state",
        },
    },
    "hocket.instruments": {
        "Your own": {
            "hocket.hooks.instrument": "Instrument RunView InferenceView Progress LearnerFigures EvaluationProgress",
            "hocket.hooks.record": "Moment Listener Background",
            "hocket.hooks.dispatcher": "Dispatcher",
            "hocket.core.commands": "Outcome",
        },
        "Ready-made": {
            "hocket.instruments.live.live_page": "LivePage",
            "hocket.instruments.progress_line": "ProgressLine TrainingLine",
            "hocket.instruments.tensorboard": "TensorBoardWriter",
            "hocket.instruments.tensorboard_images": "TensorBoardPictures",
            "hocket.instruments.wandb": "WeightsAndBiases Logs",
        },
    },
    "hocket.latency": {
        "Laws": {
            "hocket.latency.laws": (
                "LatencyModel Independent Sampler Constant LogNormal Gamma HeavyTail Empirical PerWorker Changing"
            ),
            "hocket.latency.contention": "Crowded",
            "hocket.latency.replayed": "Replayed law_of_file",
            "hocket.latency.sharing": "ProcessorSharing",
            "hocket.latency.stratified": "Typical",
        },
    },
    "hocket.learn": {
        "Algorithms": {
            "hocket.learn.algorithms.dqn": "DQN",
            "hocket.learn.algorithms.rainbow": "Rainbow",
            "hocket.learn.algorithms.imitating_dqn": "ImitatingDQN",
            "hocket.learn.algorithms.sac": "SAC ActorCriticNetwork SACLosses",
            "hocket.learn.algorithms.deep_q": "DeepQ",
            "hocket.learn.algorithms.tensors": "Tensors Transitions",
            "hocket.learn.algorithms.algorithm": "Algorithm TargetSync UpdateResult",
            "hocket.learn.algorithms.schedules": "Linear constant",
        },
        "Losses": {
            "hocket.learn.algorithms.losses": (
                "Loss td_targets q_loss margin_loss distribution_targets distribution_loss"
            ),
            "hocket.learn.algorithms.entropy_losses": "soft_targets critics_loss actor_loss temperature_loss",
        },
        "Replay": {
            "hocket.learn.replay.replay": "Replay",
            "hocket.learn.replay.reward_scaling": "RewardScaling",
            "hocket.learn.replay.assembly": "Batch",
            "hocket.learn.replay.collector": "Collector",
            "hocket.learn.replay.transitions": "TransitionBuilder Transition Decided",
        },
        "Acting": {
            "hocket.learn.policy": "LearnedPolicy greedy_policy",
            "hocket.learn.acting": "Weights WeightReader",
            "hocket.learn.head_versions": "HeadVersion HeadVersions",
            "hocket.learn.exploration": "Exploration EpsilonGreedy OwnNoise TickCounter",
        },
        "Learners": {
            "hocket.learn.learners.options": "Learners InLoop RoundRobin ParallelBatch",
        },
    },
    "hocket.models": {
        "Q-networks": {
            "hocket.models.qnetwork": "q_network QNetwork newest_encoder impala_trunk mlp_trunk minatar_trunk",
        },
        "Actors and critics": {
            "hocket.models.actor_and_critics": (
                "actor_critic ActorCritic GaussianActor Critic TwinCritics vector_trunk squashed"
            ),
        },
        "Networks": {
            "hocket.models.impala": "ImpalaNet parameter_count",
            "hocket.models.mlp": "Mlp between",
        },
        "Heads": {
            "hocket.models.heads": "Head ValueHead DistributionalHead NoisyLinear",
        },
    },
    "hocket.policies": {
        "Policies": {
            "hocket.policies.base": "Policy PolicyFactory FunctionPolicy Alignment TwoStage Stages",
            "hocket.policies.torch_policy": "TorchPolicy greedy continuous",
            "hocket.policies.onnx_policy": "OnnxPolicy",
            "hocket.policies.sb3_policy": "SB3Policy",
            "hocket.policies.lerobot_policy": "LeRobotPolicy",
            "hocket.policies.interpolated": "Interpolated Interpolation",
            "hocket.policies.charged": "Charged",
        },
        "Cancelling": {
            "hocket.policies.cancellation": "cancelled stop_if_cancelled sleep_until_cancelled",
        },
        "Failures": {
            "hocket.policies.failures": "FailureLimits OnStale",
        },
    },
    "hocket.remote": {
        "Policies": {
            "hocket.remote.policy": "WebSocketPolicy HTTPPolicy RemotePolicy",
            "hocket.remote.chat": "ChatPolicy",
            "hocket.remote.wire_format": "WireFormat Msgpack Json",
        },
        "Serving": {
            "hocket.remote.server": "PolicyServer",
        },
        "Errors": {
            "hocket.remote.errors": (
                "RemoteError UnreachableError AccessError ReplyTimeoutError WireError RemotePolicyError NoActionError"
            ),
        },
    },
    "hocket.results": {
        "Runs": {
            "hocket.hooks.record": "RunRecord",
            "hocket.results.metrics": "Metrics TickColumns Inferences Seams",
            "hocket.results.summary": "Summary",
            "hocket.results.training_log": "TrainingLog Evaluated",
            "hocket.results.run_folder": "SavedRun",
        },
    },
    "hocket.spaces": {
        "Actions": {
            "hocket.spaces.codec": "ActionCodec OutOfBounds PendingActions",
            "hocket.spaces.defaults": "Default Fixed RepeatLast HoldThenStop RandomDefault Fallback BoundDefault",
        },
        "Environments": {
            "hocket.spaces.checked_env": "CheckedEnv",
            "hocket.spaces.observation_check": "ObservationCheck",
        },
    },
    "hocket.testing": {
        "Checks of your own parts": {
            "hocket.testing.rule_check": "check_rule",
            "hocket.testing.executor_check": "check_executor",
            "hocket.testing.latency_check": "check_latency",
        },
        "Their pieces": {
            "hocket.testing.simulation": "Simulation Troubles",
            "hocket.testing.auditor": "Auditor",
            "hocket.testing.replays": "replay",
        },
        "Stand-ins": {
            "hocket.testing.chat_server": "ChatServer",
        },
    },
    "hocket.training": {
        "Training": {
            "hocket.training.training": "train",
            "hocket.training.pretraining": "pretrain",
            "hocket.training.demonstrations": "demonstrate Demonstrations",
            "hocket.training.options": "ActingOptions ReplayOptions DemonstrationOptions EvaluationOptions Checkpoints",
            "hocket.training.result": "TrainResult",
            "hocket.training.evaluation": "Evaluation",
        },
    },
    "hocket.theory": {
        "Worlds": {
            "hocket.theory.amdp": "AsyncMDP",
            "hocket.theory.example_mdps": "random_mdp recharge ring ring_delay_regret",
            "hocket.theory.tabular_env": "TabularEnv default_of",
        },
        "Exact values": {
            "hocket.theory.delayed": "DelayedPolicy InducedDelayedSemiMDP Solution",
            "hocket.theory.regret": "Achieved Decomposition achieved_in exact_decomposition",
            "hocket.theory.bounds": "delay_order inaction_order inaction_share learning_order",
            "hocket.theory.clairvoyant": "clairvoyant_bound workload_bound",
        },
    },
}
"""Package → group → module → names."""


def homes(package: str) -> dict[str, str]:
    """The public names of ``package``, each with the module that defines it, in the order of the table."""
    return {
        name: module
        for modules in PUBLIC[package].values()
        for module, names in modules.items()
        for name in names.split()
    }


def outline(package: str) -> str:
    """The groups of ``package`` with their names as plain text, for its docstring."""
    titles = PUBLIC[package]
    width = max(map(len, titles)) + 2
    lines: list[str] = []
    for title, modules in titles.items():
        line = f"{title + ':':<{width}}"
        for name in " ".join(modules.values()).split():
            if len(line) + len(name) > 116:
                lines.append(line.rstrip())
                line = " " * width
            line += f"{name} "
        lines.append(line.rstrip())
    return "\n".join(lines)


def exports(package: str) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """``__all__``, ``__getattr__`` and ``__dir__`` of ``package``: its public names, imported at first use."""
    modules = homes(package)

    def __getattr__(name: str) -> Any:  # noqa: N807 (a name of the language)
        module = modules.get(name)
        if module is None:
            elsewhere = [other for other in PUBLIC if name in homes(other)]
            hint = f"; try {elsewhere[0]}.{name}" if elsewhere else ""
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}{hint}", name=name, obj=sys.modules[package]
            )
        found = import_module(f"{package}.{name}") if module == package else getattr(import_module(module), name)
        setattr(sys.modules[package], name, found)
        return found

    def __dir__() -> list[str]:  # noqa: N807 (a name of the language)
        return sorted([*modules, "__version__"] if package == "hocket" else modules)

    return list(modules), __getattr__, __dir__
