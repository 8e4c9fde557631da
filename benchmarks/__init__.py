"""How fast things are. Each module without a leading underscore is one benchmark: ``run() -> list[Figure]``."""
