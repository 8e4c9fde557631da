"""What is done to pictures before a network learns from them: one file per idea, all randomness from a generator that is given."""
