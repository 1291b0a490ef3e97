"""Pages: what is worked out about the plan under the cursor and drawn over the panes, one module a page.

A module has `work(subject)`, run in a thread and asked to look at `subject.cancelled()` wherever it may take long, and
`draw(found, width)`, which makes the lines of what `work` gave. The key of a page, its name and its help are in tui.settings.bindings.
"""
