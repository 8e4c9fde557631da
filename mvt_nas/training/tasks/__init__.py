"""The tasks of trainings, one file each."""
