"""The state of a running search, read from its folder; :mod:`mvt_nas.cli.watch_frame` shows it."""
