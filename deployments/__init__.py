"""Who answers: tier proxies, the ledger they write, and the simulated upstreams."""
