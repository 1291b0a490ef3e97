"""The memory of a plan as its own framework allocates it: real framework code on fake tensors, one rank of any number, without a GPU.

`task` is what is run, as plain data; `runner` runs it in a child process (`python -m planner.lab`), where alone torch is imported:
`device` lets a CPU build of torch accept tensors on "cuda", `tracker` sees every storage, `allocator` gives what is reserved,
`frameworks` has one module per framework.
"""
