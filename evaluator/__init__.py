"""The science of Lethe: data, models, training, oracle banks, runs and metrics. No web, no SQL."""
