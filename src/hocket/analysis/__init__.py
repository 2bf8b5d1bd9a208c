"""Measures agents and environments, forecasts and plans runs, and decomposes regret."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.analysis.decomposition import Counterfactual as Counterfactual
    from hocket.analysis.decomposition import Losses as Losses
    from hocket.analysis.estimates import Estimate as Estimate
    from hocket.analysis.forecast import Forecast as Forecast
    from hocket.analysis.plan import Plan as Plan
    from hocket.analysis.plan import Source as Source
    from hocket.analysis.predictability import Predictability as Predictability
    from hocket.latency.laws import Measured as Measured
else:
    __all__, __getattr__, __dir__ = exports(__name__)
