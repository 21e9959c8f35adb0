"""The formats that callers speak: each file spells one of them, and none knows HTTP or Ray."""
