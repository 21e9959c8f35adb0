"""Answers compared off the request path: who is sampled, how both are got, and who judges."""
