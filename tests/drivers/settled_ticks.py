"""Checks pending actions against the trace of their run.

The reference is the scheduler itself: at each start a copy of it plays on, and nothing that still runs ever finishes.
"""

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass

from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.scheduler import Scheduler


@dataclass
class _Live:
    observation: int
    target: int
    finished: bool = False

    def may_act(self, tick, horizon_ticks, longest, now):
        """True if it may decide ``tick``: from its target on, or any tick if that has passed or there is none."""
        if self.target > now:
            last = self.observation + horizon_ticks if horizon_ticks else self.target + longest - 1
            return self.target <= tick <= last
        return not horizon_ticks or tick <= self.observation + horizon_ticks


def _played_on(scheduler, ticks):
    """By coming tick: the command that executes it if no inference finishes any more, and True if before its time."""
    scheduler = deepcopy(scheduler)
    played, releases = {}, {i.id: scheduler.schedule.release_tick(i) for _, _, i in scheduler._held}
    for tick in range(scheduler.tick + 1, scheduler.tick + ticks + 1):
        now_ns = scheduler.cadence.deadline_ns(tick)
        commands = scheduler.handle(e.DeadlineReached(now_ns, tick))
        command = next(x for x in commands if type(x) in (c.Execute, c.ExecuteDefault))
        played[tick] = command, type(command) is c.Execute and releases.get(command.inference, tick) > tick
        scheduler.handle(e.Ticked(now_ns, tick, False))
    return played


def check_pending_actions(result, calls, foresee, *, initial=None, longest=1, exact=True, chooses=False):
    """Check what every inference was told, and count the kinds of rows.

    Args:
        calls: by inference: its observation, its rows (an action, or None where unknown), and its actions.
        foresee: the default's next action, of the one before or None; None where it cannot be foreseen.
        initial: what the default repeats while nothing has been executed.
        longest: the most actions of one answer.
        exact: True if the rule never moves a release: rows that no unfinished inference overtook were executed.
        chooses: True if the rule waits for answers of its choice; rows are then what is aimed at, of what has finished.
    """
    record = result.record
    trace, actions = record.trace, dict(zip(record.ticks, record.actions, strict=True))
    executed_by = {x.tick: x.inference for _, commands in trace.steps() for x in commands if type(x) is c.Execute}
    ends = [t for t, *over in zip(record.ticks, record.terminated, record.truncated, strict=True) if any(over)]
    scheduler = Scheduler(trace.rule, trace.cadence, 0, trace.horizon_ticks)
    live, kinds, started, now = {}, Counter(), 0, 0
    for event, commands in trace.steps():
        assert scheduler.handle(event) == commands
        if type(event) is e.DeadlineReached:
            now = event.tick
        elif type(event) is e.InferenceFinished and event.inference in live:
            live[event.inference].finished = True
        played = None
        for command in commands:
            if type(command) is c.EndInference:
                live.pop(command.inference, None)
            if type(command) is not c.StartInference:
                continue
            observation, rows, _ = calls[started]
            assert (started, observation) == (command.inference, command.observation)
            played = played or _played_on(scheduler, len(rows) + 1)
            answered = {x.observation for x in live.values() if x.finished}
            running = {i: x for i, x in live.items() if not x.finished and x.observation not in answered}
            floor = scheduler.last[0]  # of the observation that acted last
            last = actions[now] if now else initial
            for row, told in enumerate(rows):
                tick = observation + 1 + row
                if 0 <= command.target <= tick:
                    assert told is None
                    kinds["beyond"] += 1
                    continue
                if tick <= now:
                    assert told == actions.get(tick)
                    kinds["executed"] += 1
                    last = told
                    continue
                source, early = played[tick]
                by = source.inference if type(source) is c.Execute else -1
                sure = calls[by][2][source.step] if by >= 0 else foresee(last)
                acting = calls[by][0] if by >= 0 else floor
                unfinished = any(
                    x.observation > (floor if early else acting) and x.may_act(tick, trace.horizon_ticks, longest, now)
                    for x in running.values()
                )
                floor = floor if unfinished else acting
                if chooses:
                    finished = {action for i, x in live.items() if x.finished for action in calls[i][2]}
                    assert told in {None, foresee(last), *finished}
                else:
                    assert told == (None if unfinished else sure), (command, tick, source)
                kinds["unfinished" if unfinished else "answer" if by >= 0 else "default"] += 1
                last = told
                if chooses or told is None or tick not in actions or any(observation < end <= tick for end in ends):
                    continue
                acted = {executed_by[t] for t in range(now + 1, tick + 1) if t in executed_by}
                as_told = executed_by.get(tick, -1) == by and actions[tick] == told
                kinds["kept" if as_told else "overtaken"] += 1
                assert as_told or not exact or any(i in running or i >= started for i in acted), (command, tick, source)
            live[started] = _Live(observation, command.target)
            started += 1
    assert started == len(calls)
    return kinds
