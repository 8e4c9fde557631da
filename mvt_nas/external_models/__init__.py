"""Networks that mvt-nas did not build, counted by the definitions of docs/counts.md."""
