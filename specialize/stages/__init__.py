"""Stages outside a run: stores without a recipe, and what one run takes over from another."""
