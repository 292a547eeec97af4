"""Why an order's credit is what it is: from its person's events and its attributions, for people and dashboards."""
