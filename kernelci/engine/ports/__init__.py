"""What the engine needs from outside, as Protocols: adapters fulfil them, and app.py brings the two together."""
