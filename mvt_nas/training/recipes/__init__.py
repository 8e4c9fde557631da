"""Recipes that ship, one file each."""
