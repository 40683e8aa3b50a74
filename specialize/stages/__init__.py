"""Stores of a recipe and without one, and what one run takes over from another."""
