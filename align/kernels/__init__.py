"""How kernels are compiled, and what they share."""
