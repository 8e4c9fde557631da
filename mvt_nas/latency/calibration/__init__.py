"""Making profiles and judging them: which networks, in which heats, and what is fitted to them."""
