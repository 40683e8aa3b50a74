"""A teacher that runs in this process."""
