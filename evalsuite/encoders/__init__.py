"""Networks that look at images and texts. Loaded once, shared by every metric that needs them."""
