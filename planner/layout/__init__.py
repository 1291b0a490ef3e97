"""The layout of a plan: ranks on nodes and links, the passes of pipeline ranks, their timeline."""
