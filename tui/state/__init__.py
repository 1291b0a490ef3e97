"""What the program holds: edits and their history, the view of the table, the session, the planner's threads."""
