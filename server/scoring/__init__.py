"""From stored outputs to scores: reference sets, scoring and rescoring."""
