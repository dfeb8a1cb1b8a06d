"""Synthetic worlds where sources lie: written part by part, there whole or not at all."""
