"""Lines of text drawn: charts, trees, bars and aligned tables."""
