"""How a kernel starts and what holds it in."""
