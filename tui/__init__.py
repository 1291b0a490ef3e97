"""tmplan's terminal program and command line. `planner` never imports this package."""
