"""What is shown of plans: columns, sorting, wording, the explanation of every number, advice."""
