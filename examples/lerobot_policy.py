"""An ACT of LeRobot with random weights moves an arm at 50 Hz, by three chunks in flight. Needs: pip install lerobot"""

import sys
import time

import numpy as np
from gymnasium.spaces import Box

import hocket

try:
    from lerobot.configs.types import FeatureType, PolicyFeature
    from lerobot.policies.act.modeling_act import ACTConfig, ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors
except ImportError:
    print("skipped: this example needs pip install lerobot")
    sys.exit(0)

JOINTS = "observation.state", "observation.environment_state"

if __name__ == "__main__":
    inputs = {JOINTS[0]: PolicyFeature(FeatureType.STATE, (7,)), JOINTS[1]: PolicyFeature(FeatureType.ENV, (7,))}
    outputs = {"action": PolicyFeature(FeatureType.ACTION, (7,))}
    config = ACTConfig(input_features=inputs, output_features=outputs, chunk_size=50, n_action_steps=50, device="cpu")
    policy = ACTPolicy(config)  # yours is ACTPolicy.from_pretrained(path)
    processors = make_pre_post_processors(config)  # of yours: (policy.config, path), which normalise
    with hocket.StaggeredAgent(
        hocket.policies.LeRobotPolicy(policy, processors, as_observation=lambda joints: dict.fromkeys(JOINTS, joints)),
        rule=hocket.TickDispatch(workers=3),
        hz=50,
        default=hocket.RepeatLast(),
        observation_space=Box(-4, 4, (7,)),
        action_space=Box(-np.inf, np.inf, (7,)),
    ) as agent:
        began = time.monotonic()
        for cycle in range(100):
            time.sleep(max(0.0, began + cycle / 50 - time.monotonic()))
            agent.act(np.zeros(7, np.float32))  # the targets of the joints; never waits
        print(agent.counts())
