"""A network in an ONNX file balances CartPole although each inference takes three ticks.

    python examples/onnx_policy.py

Needs: pip install 'hocket[onnx]' onnx
"""

import sys
import tempfile
from pathlib import Path

import gymnasium as gym

import hocket

try:
    import onnx
    import onnxruntime  # noqa: F401
except ImportError:
    print("skipped: this example needs pip install 'hocket[onnx]' onnx")
    sys.exit(0)

NETWORK = """
<ir_version: 8, opset_import: ["" : 17]>
balance (float[1, 4] observation) => (int64[1] action) <float[4, 2] weights = {0, 0, 0, 0.1, 0, 1, 0, 0.5}> {
    values = MatMul(observation, weights)
    action = ArgMax <axis = 1, keepdims = 0> (values)
}
"""  # yours comes from torch.onnx.export

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "balance.onnx"
        onnx.save(onnx.parser.parse_model(NETWORK), path)
        clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.05))
        for rule in hocket.Sequential(), hocket.TickDispatch(workers=3):
            policy = hocket.policies.OnnxPolicy(path)
            summary = hocket.run(gym.make("CartPole-v1"), policy, rule, clock, ticks=2000).summary()
            print(f"{type(rule).__name__:<12}  coverage {summary.coverage:.2f}, mean return {summary.return_mean:.0f}")
