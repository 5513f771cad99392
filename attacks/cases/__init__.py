"""One hostile submission a file. Nothing imports them: they are read, and executed inside the sandbox."""
