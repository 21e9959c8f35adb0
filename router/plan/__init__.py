"""`tercet plan`: the plan's tables reckoned again from a workload, prices and offers."""
