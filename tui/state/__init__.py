"""State of the program: edits and their history, the view of the table, the session, planning threads."""
