"""What may be concluded from rows that chance assigned, at every look: pure, with numpy and scipy.

`docs/statistics.md` says which method each figure comes from, and how it held in simulation.
"""
