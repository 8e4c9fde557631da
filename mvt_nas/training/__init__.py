"""Training of a chosen network by the recipes of the papers (``api.train``), and short trainings inside a search (``short``).

A recipe is one file in ``recipes``.
"""
