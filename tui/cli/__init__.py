"""The command line: each command's declaration and its work; stdout is data, stderr is narration."""
