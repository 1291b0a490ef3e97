"""Measured runs: files of them, the job and plan of each row, predictions and their scores."""
