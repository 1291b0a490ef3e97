"""Pages: results about the plan under the cursor, drawn over the panes; one module per page.

A module has `work(subject)`, which runs in a thread and must poll `subject.cancelled()` where it can take long, and
`draw(result, width)`, which returns the lines that show the result of `work`. tui.settings.bindings has the key, name and help of a page.
"""
