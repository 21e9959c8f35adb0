"""Simulated upstreams: Claude and Gemini on loopback, for running and testing without keys."""
