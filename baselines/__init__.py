"""Reference submissions: each module is one file that can be uploaded as it is."""
