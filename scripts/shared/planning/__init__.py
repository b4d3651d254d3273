"""Planning: what is wanted against what the ledgers say. `staleness` holds the rule, `planner` applies it."""
