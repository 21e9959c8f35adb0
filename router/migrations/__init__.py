"""Kinds of work moved to the local model and back, on the ledger's evidence or an operator's word.

docs/migrations.md is the operator's page.
"""
