"""Learners: what computes updates, in the loop, in virtual time, or in processes of their own."""
