"""Text drawings: charts, trees, bars and aligned tables."""
