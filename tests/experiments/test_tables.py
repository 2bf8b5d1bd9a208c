import pytest

from hocket.experiments.tables import against_delay, by_arm, cell


def row(arm, delay, seed, value, kind="final"):
    return {"game": "g", "delay": delay, "arm": arm, "seed": seed, "kind": kind, "mean_return": value}


def test_a_cell_shows_no_unknown_figures():
    # Of 1, 2, 3: 4.303/√3 = 2.484.
    assert [cell([1, 2, 3]), cell([7]), cell([])] == ["2.00 ± 2.48", "7.00", ""]


ROWS = [row("a", "16", "0", "4"), row("a", "2", "0", "1"), row("b", "2", "0", "2"), row("noop", "any", "0", "0.5")]


def test_a_line_a_delay_in_their_order():
    assert against_delay(ROWS, arms=("a", "b"), references=("noop",), games=("g",)).splitlines() == [
        "| greedy, best weights | delay | a | b | noop |",
        "|---|---|---|---|---|",
        "| g | 2 | 1.00 | 2.00 | 0.50 |",
        "| g | 16 | 4.00 |  | 0.50 |",
    ]


@pytest.mark.parametrize("kind", ["final", "training"])
def test_a_line_an_arm(kind):
    rows = [row("a", "1", seed, str(seed), kind) for seed in (1, 2, 3)]
    last = by_arm(rows, arms=("a",)).splitlines()[-1]
    assert last == {"final": "| a | 2.00 ± 2.48 |  | 3 |", "training": "| a |  | 2.00 ± 2.48 | 0 |"}[kind]
