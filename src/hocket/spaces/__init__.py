"""Observations and actions at the edge: checked, encoded, decoded; and default behaviours."""
