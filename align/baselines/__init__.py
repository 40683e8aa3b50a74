"""Published projections, for comparison."""
