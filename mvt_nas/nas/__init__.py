"""The search: ask a sampler, evaluate, tell; a store that survives any end; nothing infeasible, nothing twice."""
