"""Mails to people: composed, kept until a server has taken them, sent by SMTP."""
