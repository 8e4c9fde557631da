"""What a stage may hold: a folder per block, its lowering (``lowering.py``, no torch) beside its forward (``module.py``)."""
