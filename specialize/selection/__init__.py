"""Choosing a checkpoint by validation scores."""
