"""The web dashboard: pages, a JSON API and live updates over what Redis holds (`xinghe dashboard`)."""
