"""What apple/ml-cvnets needs to train a network: its settings, its model file, and the proof where ml-cvnets is installed."""
