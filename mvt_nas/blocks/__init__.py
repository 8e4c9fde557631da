"""The blocks that a stage may hold, a folder for each.

``config.py`` declares a block's fields and ``lowering.py`` lists its kernels, both without torch;
``module.py`` is the module that runs them.
"""
