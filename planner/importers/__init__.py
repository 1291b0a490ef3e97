"""Configurations of other frameworks read as a job and a plan of tmplan, one module per format."""
