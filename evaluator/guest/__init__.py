"""What runs beside a submission inside the jail; imports torch, the architectures and the loaders, nothing else."""
