"""Export of networks to trainers and devices, with verification, and import of exported files."""
