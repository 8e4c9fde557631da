"""Making and evaluating device profiles: network selection, measurement sessions, fits."""
