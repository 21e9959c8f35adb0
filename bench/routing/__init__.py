"""Routing policies measured side by side on files of models' outcomes: `python -m bench.routing`.

`docs/routing-bench.md` says how to run it and what each column means.
"""
