"""Offline comparison of methods: the same sandbox, network, oracles and metric as a competition, without a server."""
