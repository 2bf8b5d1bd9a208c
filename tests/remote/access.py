"""The token of the servers of these tests, and a policy that never ends by itself."""

import numpy as np

from hocket.policies import cancelled

TOKEN = "the token of tests"


def until_cancelled(begun, ended):
    """Answers 1 to zeros at once, and to anything else when it is cancelled; sets the events on either side of that."""

    def policy(observation):
        if np.any(observation):
            begun.set()
            while not cancelled():
                pass
            ended.set()
        return 1

    return policy
