"""tmplan's terminal program and its command line. `planner` never imports this package."""
