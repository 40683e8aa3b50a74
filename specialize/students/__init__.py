"""Student models: loading, adapters, checkpoints."""
