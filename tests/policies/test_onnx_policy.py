import importlib.util

import cloudpickle
import numpy as np
import pytest

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError, MissingExtraError
from hocket.policies import OnnxPolicy, onnx_policy

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

HEAD = '<ir_version: 8, opset_import: ["" : 17]>'
TANH = f"""{HEAD}
network (float[1, 4] seen) => (float[1, 2] action)
<float[4, 2] weights = {{0.5, -1, 2, 0.25, -0.125, 1, 1, 1}}>
{{ summed = MatMul(seen, weights)  action = Tanh(summed) }}"""
CHUNK = f"{HEAD} network (float[1, 4] seen) => (float[1, 4] action) {{ action = Identity(seen) }}"
BYTES = f"""{HEAD} network (uint8[1, 4] seen) => (int64[1] action)
{{ action = ArgMax <axis = 1, keepdims = 0> (seen) }}"""
TOLD = f"""{HEAD} network (float[1, 3] seen, int64[1, 2] pending) => (int64[1, 2] action)
{{ action = Identity(pending) }}"""

ARM = f"""{HEAD}
network (float[1, 2] torques, float[1, 2] joints) => (float[1, 2] action)
{{ action = Add(torques, joints) }}"""


@pytest.fixture
def saved(tmp_path):
    """A function that saves a network and returns the path of its file."""

    def save(network):
        path = tmp_path / "policy.onnx"
        onnx.save(onnx.parser.parse_model(network), path)
        return path

    return save


def test_the_actions_are_those_of_onnx_runtime(saved):
    path = saved(TANH)
    policy = cloudpickle.loads(cloudpickle.dumps(OnnxPolicy(path))).build()
    session = onnxruntime.InferenceSession(path)
    some = np.random.default_rng(0).normal(size=(1000, 4)).astype(np.float32)
    expected = [session.run(None, {"seen": observation[None]})[0][0] for observation in some]
    assert np.array_equal([policy(observation) for observation in some], expected)
    assert policy(np.float64([1, 0, 0, 0])) == pytest.approx(np.tanh([0.5, -1]))  # floats of the network's type


def test_a_decision_and_a_chunk(saved):
    policy = OnnxPolicy(saved(CHUNK), decide=lambda values: values.reshape(2, 2), chunk_length=2).build()
    assert policy(np.float32([1, 2, 3, 4])).tolist() == [[1, 2], [3, 4]]


def test_other_types_are_unchanged(saved):
    policy = OnnxPolicy(saved(BYTES)).build()
    action = policy(np.uint8([3, 1, 250, 4]))
    assert (action.shape, action) == ((), 2)
    with pytest.raises(Exception, match="Unexpected input data type"):
        policy(np.int32([3, 1, 250, 4]))


def test_pending_actions_are_the_second_input(saved):
    policy = OnnxPolicy(saved(TOLD), pending=2).build()
    assert policy(np.zeros(3), np.array([7, 8])).tolist() == [7, 8]
    with pytest.raises(ConfigurationError, match=r"inputs \['seen', 'pending'\], and pending=0 gives it seen;"):
        OnnxPolicy(saved(TOLD)).build()(np.zeros(3))
    with pytest.raises(ConfigurationError, match=r"inputs \['seen'\], and pending=1 gives it the observation and"):
        OnnxPolicy(saved(TANH), pending=1).build()


def test_the_keys_of_a_dict_are_the_names_of_inputs(saved):
    policy = OnnxPolicy(saved(ARM)).build()
    assert policy({"joints": np.float64([1, 2]), "torques": np.float32([10, 20])}).tolist() == [11, 22]
    with pytest.raises(ConfigurationError, match=r"\['torques', 'joints'\], and pending=0 gives it joints, arm;"):
        policy({"joints": np.zeros(2), "arm": np.zeros(2)})
    with pytest.raises(ConfigurationError, match=r"gives it torques;"):
        policy(np.zeros(2))


def test_it_acts_in_a_run(saved):
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.03))
    env = NullEnv((4,), actions=4)
    result = hocket.run(env, OnnxPolicy(saved(BYTES)), hocket.TickDispatch(2), clock, ticks=50)
    assert result.summary().steady_coverage == 1


def test_what_cannot_work_is_refused(saved, monkeypatch):
    path = saved(TANH)
    with pytest.raises(ConfigurationError, match=r"path='nothing.onnx' is no file"):
        OnnxPolicy("nothing.onnx")
    for wrong in {"threads": 0}, {"chunk_length": 0}, {"pending": -1}, {"decide": 3}, {"alignment": "release"}:
        with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))}="):
            OnnxPolicy(path, **wrong)
    with pytest.raises(ConfigurationError, match=r"providers=\('Abacus',\) are not all installed; try some of \["):
        OnnxPolicy(path, providers=("Abacus",)).build()
    real = importlib.util.find_spec
    monkeypatch.setattr(onnx_policy, "find_spec", lambda name: None if name == "onnxruntime" else real(name))
    with pytest.raises(MissingExtraError, match=r"OnnxPolicy needs .* pip install 'hocket\[onnx\]'"):
        OnnxPolicy(path)
