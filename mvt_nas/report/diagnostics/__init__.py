"""Checks of the installation and the machine, with remedies for what is missing."""
