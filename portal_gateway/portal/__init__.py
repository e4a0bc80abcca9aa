"""The gateway's own routes: launch, embed, access, pages and assets."""
