"""The list of error codes, and errors as pages."""
