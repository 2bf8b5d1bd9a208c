import importlib.util
from pathlib import Path

import pytest

from hocket.core import commands, events
from hocket.core.lifecycle import INFERENCES, TICKS, WORKERS, InferenceState, TickPhase, WorkerState

DOCS = Path(__file__).parents[2] / "docs"
TABLES = {"ticks": (TICKS, TickPhase), "inferences": (INFERENCES, InferenceState), "workers": (WORKERS, WorkerState)}


@pytest.mark.parametrize("name", TABLES)
def test_every_state_has_a_row_and_can_be_reached(name):
    table, states = TABLES[name]
    assert list(table) == list(states)
    start = next(iter(states))
    reached, new = {start}, {start}
    for _ in states:
        following = (nexts if name == "inferences" else nexts.values() for nexts in (table[state] for state in new))
        new = {state for nexts in following for state in nexts} - reached
        reached |= new
    assert reached == set(states)


def test_every_inference_can_end():
    ends = {InferenceState.OVER}
    for _ in InferenceState:
        ends |= {state for state, nexts in INFERENCES.items() if ends & nexts.keys()}
    assert ends == set(InferenceState)


def test_triggers_of_ticks_and_workers_are_events_or_commands():
    known = [*vars(events).values(), *vars(commands).values()]
    for table in (TICKS, WORKERS):
        assert {kind for nexts in table.values() for kind in nexts} <= {k for k in known if isinstance(k, type)}


def test_the_pictures_of_the_docs_are_those_of_the_tables():
    path = DOCS / "diagrams" / "state_machines.py"
    spec = importlib.util.spec_from_file_location("state_machines", path)
    state_machines = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(state_machines)
    for name, picture in state_machines.pictures().items():
        assert (DOCS / "images" / name).read_text() == picture, f"run python {path.relative_to(DOCS.parent)}"
