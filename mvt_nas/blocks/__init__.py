"""What a stage may hold: a folder per block, its lowering (``ops.py``, no torch) beside its forward (``module.py``)."""
