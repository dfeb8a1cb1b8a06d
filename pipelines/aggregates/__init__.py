"""Aggregate extracts under differential privacy: from a request to noisy tables."""
