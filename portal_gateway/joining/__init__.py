"""How a customer who is not yet in gets in: by shared link, by invitation, and who may."""
