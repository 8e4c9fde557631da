"""The command line; a command module parses options, calls the library and prints the result."""
