"""Parts of generate_models.py."""
