"""The page people look at: sign-in, a read model of the ledger, and a view of it for each page."""
