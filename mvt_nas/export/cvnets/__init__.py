"""Files with which apple/ml-cvnets trains a network, and their check in an installed ml-cvnets."""
