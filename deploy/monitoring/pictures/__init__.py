"""Pictures of the dashboards for docs/, of a month that is made up: see README.md."""
