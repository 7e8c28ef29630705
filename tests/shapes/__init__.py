"""The shapes in which models and their servers reply, each asked over real HTTP; and the README's table of them."""
