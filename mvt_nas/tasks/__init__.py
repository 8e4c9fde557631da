"""What a network may do beside telling what a picture shows: a folder per task, its head's lowering beside the head's forward."""
