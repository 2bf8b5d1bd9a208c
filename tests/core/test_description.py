import functools
import json
from collections import namedtuple
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

import numpy as np
import pytest

from hocket.core.description import describe, text, with_names, without_addresses


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    factor: float = 2.0


@dataclass(frozen=True)
class Options:
    """Every kind of field; the private one stays out."""

    count: int = 3
    name: str = "taken"
    colour: Colour = Colour.RED
    inner: Inner = field(default_factory=Inner)
    pair: tuple = (1, None)
    table: dict = field(default_factory=lambda: {1: Inner(0.5)})
    _hidden: int = 7


class Bare:
    def __init__(self):
        self.rate = np.float32(0.5)
        self.counts = np.array([1, 2])
        self.share = Fraction(1, 3)
        self.words = {"b", "a"}
        self._hidden = 7


class Slotted:
    __slots__ = ("depth", "unset")

    def __init__(self):
        self.depth = np.int64(4)


class Spoken:
    def __repr__(self):
        return "Spoken()"


class Failing:
    def __repr__(self):
        raise ValueError("no words")


class FailingField:
    def __init__(self):
        self.inner = Failing()


def test_a_dataclass_is_its_public_fields():
    assert describe(Options()) == {
        "name": "Options",
        "count": 3,
        "colour": "red",
        "inner": {"name": "Inner", "factor": 2.0},
        "pair": (1, None),
        "table": {"1": {"name": "Inner", "factor": 0.5}},
    }


def test_any_object_is_its_public_attributes_or_its_repr():
    assert describe(Bare()) == {
        "name": "Bare",
        "rate": 0.5,
        "counts": [1, 2],
        "share": "Fraction(1, 3)",
        "words": ["a", "b"],
    }
    assert describe(Slotted()) == {"name": "Slotted", "depth": 4, "unset": None}
    assert describe(Spoken()) == {"name": "Spoken", "repr": "Spoken()"}
    assert describe(object()) == {"name": "object"}


def test_it_never_fails():
    assert text(Failing()) == "<Failing>" and text(5) == "5"
    assert text([Bare(), Bare]) == "[<test_description.Bare object>, <class 'test_description.Bare'>]"
    assert describe(Failing()) == {"name": "Failing", "repr": "<Failing>"}
    assert describe(FailingField()) == {"name": "FailingField", "inner": "<Failing>"}
    circle = Bare()
    circle.itself = circle
    circle.lists = [circle]
    described = describe(circle)
    assert described["itself"]["itself"]["rate"] == 0.5


@pytest.mark.parametrize(
    "value", [Options(), Bare(), Slotted(), Failing(), namedtuple("Point", "x y")(1, print), {1: {2}, print: Bare}]
)
def test_json_holds_it(value):
    one = Inner(value)
    assert json.loads(json.dumps(describe(one)))["name"] == "Inner"


def test_addresses_become_names_or_nothing():
    def act(observation):
        return 0

    class Policy:
        pass

    words = f"{act!r}, {len!r}, {Policy()!r}, {functools.partial(act, 1)!r}"
    here = "test_addresses_become_names_or_nothing"
    names = [f"{here}.act", "<built-in function len>", f"{__name__}.{here}.Policy", f"functools.partial({here}.act, 1)"]
    assert with_names(words) == ", ".join(names)
    assert "0x" in words and "0x" not in without_addresses(words)
    assert without_addresses(repr(act)) == f"<function {here}.<locals>.act>"
