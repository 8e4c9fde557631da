"""Short trainings: an accuracy of a network's own, where a proxy only guesses.

``train.train(architecture, images, Protocol(...), seed=0)`` returns the curve of one training; the same arguments on a CPU and one
thread return the same to the last bit, interrupted or not.
"""
