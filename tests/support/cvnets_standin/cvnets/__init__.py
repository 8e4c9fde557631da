"""A stand-in for the interfaces of apple/ml-cvnets (tag cvnets-v0.4) that exported models use: the same signatures, names and arithmetic.

Written from the facts about that project; of what it does with options, only what exported models ask for is here.
"""
