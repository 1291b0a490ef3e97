"""The command line: declaration and implementation of each command. Data goes to stdout, messages to stderr."""
