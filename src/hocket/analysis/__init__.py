"""Before and after a run: plan it, forecast it, measure a policy, decompose what was lost."""
