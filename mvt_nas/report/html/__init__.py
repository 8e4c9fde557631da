"""One self-contained HTML file for a run, or for several side by side."""
