"""Playing in the learned world: a page in the browser, and the server behind it."""
