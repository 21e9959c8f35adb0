"""How several models make one answer: one coroutine each, with one effect."""
