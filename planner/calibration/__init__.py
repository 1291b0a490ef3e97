"""Constants from measurements: kernel tables, fits to runs, factors of a cluster from measured steps."""
