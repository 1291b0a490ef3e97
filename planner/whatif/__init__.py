"""Questions about plans: comparison, why not, scaling, sensitivity, other clusters, Pareto front, deadlines."""
