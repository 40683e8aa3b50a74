"""The prefix policy: teacher rows carried over along the bytes of each word."""
