"""Hidden data: where photographs come from, how they are split, and the bundles that are made of them."""
