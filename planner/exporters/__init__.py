"""A plan as the files a framework takes: one module a target, each registers itself; nothing here is imported until it is asked for."""
