"""Every thread as a notebook."""
