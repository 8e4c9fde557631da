"""How good samplers are: problems whose true front is known, and searches on them by the engine itself."""
