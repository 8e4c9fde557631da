"""Trainings: full ones by the papers' recipes (``api.train``), and short ones within a search.

Short trainings (``short_training.train_short``) share the loop, evaluation, state and checkpoints
of full ones. A recipe is one file in ``recipes``.
"""
