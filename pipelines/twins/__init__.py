"""Twins: synthetic extracts sampled from noisy marginals of a requested one."""
