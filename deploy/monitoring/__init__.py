"""Dashboards, alerts and their runbook as values; `make monitoring` makes files for Grafana and Prometheus of them."""
