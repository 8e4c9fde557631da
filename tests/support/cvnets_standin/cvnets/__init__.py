"""A stand-in for the interfaces of apple/ml-cvnets (tag cvnets-v0.4) that exported models use.

It has the same signatures, names and arithmetic, written from facts about that project, and only
the options that exported models use.
"""
