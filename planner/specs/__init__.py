"""What is planned, in base units: Model, Gpu, Cluster, Stack, Job, Plan, and counts of parameters."""
