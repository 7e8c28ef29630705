"""How a database came to have the tables of tables.py, one step after the other."""
