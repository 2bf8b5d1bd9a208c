"""Checks of files that a command wrote, and of refusals."""

import json
from pathlib import Path


def read(path):
    return json.loads(Path(path).read_text())


def refused(result, *words):
    code, out, err = result
    assert code == 2 and "Traceback" not in err, err
    assert all(word in err + out for word in words), err + out
