"""A blind vote between two models on one's own machine: pairs of images, a page, a file of votes, and what they say."""
