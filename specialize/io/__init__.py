"""Files, progress and injected faults."""
