"""What people run today, read as a job and a plan of tmplan: one module a format."""
