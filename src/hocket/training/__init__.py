"""Training: acting and learning together, in virtual time and on the wall clock."""
