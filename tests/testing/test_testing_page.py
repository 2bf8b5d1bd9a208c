"""The code blocks of ``docs/testing.md`` run, in order, in one namespace."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/testing.md"


@pytest.mark.realtime
def test_the_code_blocks_run():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 6
    namespace = {"__name__": "page"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), namespace)
