"""What is asked about a policy before it is live: its tests, what a change changes, who would break. Pure."""
