"""What decides a run: recipes, and the files they are written in."""
