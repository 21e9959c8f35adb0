"""Rented machines kept in order: what there is, what the ledger says, and what is wanted."""
