"""What a server tells of itself: log lines, metrics, spans. The engine's ports are decorated for it."""
