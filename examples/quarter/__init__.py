"""Three months of one team's work, played at high speed: `make demo-quarter`."""
