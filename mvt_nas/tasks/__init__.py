"""The tasks of a network other than classification, a folder for each.

``config.py`` declares a task's fields and ``lowering.py`` lists the kernels of its head, both
without torch; ``module.py`` is the module that runs them.
"""
