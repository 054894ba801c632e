"""The doors over real HTTP, the daemon behind them, the sandbox's senders before them."""
