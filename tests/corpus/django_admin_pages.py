"""Writes pages of Django's admin, in several languages, into the directory that is its argument.

A program of its own: Django's settings are those of the process.
"""

from __future__ import annotations

import sys
from pathlib import Path

import django
from django.conf import settings
from django.contrib import admin
from django.core.management import call_command
from django.urls import URLResolver, path

LANGUAGES = ("en", "de", "ja", "ar", "zh-hans", "ru")
PATHS = (
    "/admin/login/",
    "/admin/",
    "/admin/auth/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/user/1/change/",
    "/admin/auth/user/1/history/",
    "/admin/auth/user/1/delete/",
    "/admin/auth/group/add/",
    "/admin/password_change/",
)
APPS = ("admin", "auth", "contenttypes", "sessions", "messages")

urlpatterns: list[URLResolver] = []  # filled when the settings are


def main(directory: Path) -> None:
    settings.configure(
        ROOT_URLCONF=__name__,
        SECRET_KEY="made up",
        ALLOWED_HOSTS=["testserver"],
        STATIC_URL="/static/",
        USE_TZ=True,
        INSTALLED_APPS=[f"django.contrib.{name}" for name in APPS],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.locale.LocaleMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
    )
    django.setup()
    urlpatterns.append(path("admin/", admin.site.urls))
    call_command("migrate", verbosity=0)
    _write_pages(directory)


def _write_pages(directory: Path) -> None:
    from django.contrib.auth.models import User
    from django.test import Client

    user = User.objects.create_superuser("jane", password=None)
    signed_in, visitor = Client(), Client()
    signed_in.force_login(user)
    for language in LANGUAGES:
        for target in PATHS:
            client = visitor if target.endswith("login/") else signed_in
            page = client.get(target, headers={"accept-language": language})
            assert page.status_code == 200, target
            name = target.strip("/").replace("/", "-")
            (directory / f"{name}.{language}.html").write_bytes(page.content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
