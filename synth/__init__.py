"""Synthetic learners: seeded worlds for tests and demos. No real person is in them."""
