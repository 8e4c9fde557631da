"""What is particular to a task in a training: one file each."""
