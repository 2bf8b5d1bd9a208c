"""What `hocket.plan` is made of: measuring a policy, forecasting a rule, choosing one, drawing the choice."""
