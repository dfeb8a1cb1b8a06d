"""Differential privacy: what it costs."""
