"""What a running search has come to, followed from outside by reading its folder; how it looks is the command line's."""
