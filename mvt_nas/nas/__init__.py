"""Neural architecture search: samplers, evaluation, and stores that survive interruptions."""
