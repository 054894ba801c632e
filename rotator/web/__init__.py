"""What the daemon serves over HTTP: alerts, orders, health, metrics, each a file with its routes; and the page, a room of its own."""
