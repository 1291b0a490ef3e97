"""Export of a plan to the files of a framework or launcher: one module per target, registered on import; modules are imported on demand."""
