"""Simulated months, true costs and qualities known, played with the product's own statistics."""
