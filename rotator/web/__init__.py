"""What the daemon serves over HTTP: health now; alerts, metrics and the page come into this room, each a file with its routes."""
