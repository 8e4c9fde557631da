"""The forms that a foreign network may come in, a file each (see ``mvt_nas/external_models/base.py``)."""
