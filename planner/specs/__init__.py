"""Specifications in base units: Model, Gpu, Cluster, Stack, Job and Plan, and parameter counts."""
