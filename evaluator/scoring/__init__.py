"""From the outputs of many models to scores: what every score of a split is against. Free of torch."""
