"""What the router learns from the ledger, and how it is judged: pure, with numpy."""
