"""Hidden data: the sources of photographs, their splits, and the bundles made from them."""
