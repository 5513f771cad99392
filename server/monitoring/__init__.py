"""Monitoring: liveness, readiness and Prometheus metrics."""
