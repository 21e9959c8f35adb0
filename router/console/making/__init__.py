"""The views of the pages, each made from what is in memory and one look at the ledger."""
