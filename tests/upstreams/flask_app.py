"""A Flask app as one writes it: pages from templates, a session, a form with a file, a stream, a static file."""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Iterator
from pathlib import Path

from flask import Flask, Response, abort, flash, redirect, render_template_string, request, session, url_for

PAGE = """<!doctype html>
<html lang="de"><head><title>Lager</title>
<link rel="stylesheet" href="{{ url_for('static', filename='style.css') }}"></head>
<body><nav><a href="{{ url_for('index') }}">Übersicht</a></nav>
{% for text in get_flashed_messages() %}<p class="flash">{{ text }}</p>{% endfor %}
<main><h1>Grüße, {{ session.get('name', 'wer?') }}</h1>
<form method="post" action="{{ url_for('upload') }}" enctype="multipart/form-data">
<input name="name"><input type="file" name="file"></form>
{% for number in range(200) %}<p>Zeile {{ number }}</p>
{% endfor %}</main></body></html>
"""

app = Flask(__name__, static_folder=str(Path(__file__).with_name("static")))
app.secret_key = "only for this test"
said: queue.Queue[str] = queue.Queue()


@app.get("/")
def index() -> str:
    return render_template_string(PAGE)


@app.post("/upload")
def upload() -> Response:
    data = request.files["file"].read()
    session["name"] = request.form["name"]
    flash(hashlib.sha256(data).hexdigest())
    return redirect(url_for("index"), 303)


@app.get("/events")
def events() -> Response:
    def heard() -> Iterator[str]:
        yield "data: hello\n\n"
        while (text := said.get()) != "goodbye":
            yield f"data: {text}\n\n"

    return Response(heard(), mimetype="text/event-stream")


@app.post("/events")
def say() -> str:
    said.put(request.get_data(as_text=True))
    return ""


@app.get("/api/request")
def seen() -> dict[str, str]:
    return {"url": request.url, "remote_addr": request.remote_addr or "", **dict(request.headers)}


@app.get("/broken")
def broken() -> None:
    raise RuntimeError("on purpose")


@app.get("/teapot")
def teapot() -> None:
    abort(418)
