"""Networks as folders that transformers loads: its own classes where they can express a network, else a package that says it."""
