"""Loaders, one module per format of external models (see ``mvt_nas/external_models/base.py``)."""
