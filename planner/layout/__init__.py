"""Where and when a plan runs: ranks on nodes and links, passes of pipeline stages, and their timeline."""
