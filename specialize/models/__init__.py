"""Models of the transformers library, as teachers and students alike: whole, or refused."""
