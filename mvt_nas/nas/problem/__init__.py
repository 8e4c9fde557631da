"""What a search optimises, and what is known of an architecture before it is evaluated."""
