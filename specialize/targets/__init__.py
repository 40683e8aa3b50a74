"""From a store of responses to a store of targets in the student's vocabulary."""
