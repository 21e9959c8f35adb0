"""The words and the arithmetic of Tercet: pure, and the only package outsiders import."""
