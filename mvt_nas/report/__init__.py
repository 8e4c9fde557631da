"""Reports of a run: tables, plots, Markdown, an HTML page, the live view, and diagnostics."""
