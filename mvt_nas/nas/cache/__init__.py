"""Cache of evaluations, shared by all searches of a user."""
