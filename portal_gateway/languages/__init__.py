"""What people read, in their language: one file of texts per language, and the choice among them."""
