"""Laws of inference time for virtual runs."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.latency.contention import Crowded as Crowded
    from hocket.latency.laws import Changing as Changing
    from hocket.latency.laws import Constant as Constant
    from hocket.latency.laws import Empirical as Empirical
    from hocket.latency.laws import Gamma as Gamma
    from hocket.latency.laws import HeavyTail as HeavyTail
    from hocket.latency.laws import Independent as Independent
    from hocket.latency.laws import LatencyModel as LatencyModel
    from hocket.latency.laws import LogNormal as LogNormal
    from hocket.latency.laws import PerWorker as PerWorker
    from hocket.latency.laws import Sampler as Sampler
    from hocket.latency.replayed import Replayed as Replayed
    from hocket.latency.replayed import law_of_file as law_of_file
    from hocket.latency.sharing import ProcessorSharing as ProcessorSharing
    from hocket.latency.stratified import Typical as Typical
else:
    __all__, __getattr__, __dir__ = exports(__name__)
