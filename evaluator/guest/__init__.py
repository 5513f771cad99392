"""Code beside the submission in the jail; imports torch, the architectures and the loaders, nothing else."""
