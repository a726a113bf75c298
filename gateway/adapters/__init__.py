"""The outside world, each thing behind one port."""
