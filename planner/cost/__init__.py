"""Memory and time of plans: kernels, collectives, schedules, experts, stages, the step, and its error band."""
