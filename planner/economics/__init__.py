"""Time and money: training runs, goodput, budgets, serving, scaling laws."""
