"""Apache with mod_proxy, and mod_substitute for pages; the event MPM with one process."""

from __future__ import annotations

import os
from pathlib import Path

from bench.peers.proxy import LINK, NotInstalled, Proxy, program, written

_MODULES = Path("/usr/lib/apache2/modules")
# What Debian has not compiled in.
_LOADED = ("mpm_event", "authz_core", "filter", "substitute", "proxy", "proxy_http")
# n: a fixed string, no expression; q: pieces of a page are not joined after each substitution.
_CONFIG = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache-{port}.pid
DefaultRuntimeDir {folder}
Listen 127.0.0.1:{port}
{modules}
{user}
ServerLimit 1
StartServers 1
ThreadLimit 64
ThreadsPerChild 64
MinSpareThreads 1
MaxRequestWorkers 64
KeepAlive On
KeepAliveTimeout 75
MaxKeepAliveRequests 0
ErrorLog /dev/null
LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{{Referer}}i\\" \\"%{{User-Agent}}i\\"" combined
CustomLog {folder}/apache-{port}.log combined
BufferedLogs On
ProxyIOBufferSize 65536
ProxyPreserveHost On
ProxyPass / http://127.0.0.1:{upstream}/ keepalive=On max=64
AddOutputFilterByType SUBSTITUTE text/html
Substitute 's|</body>|{link}</body>|nq'
SubstituteMaxLineLength 10m
"""


def _command(folder: Path, port: int, upstream: int) -> list[str]:
    apache = program("apache2", "apache2-bin")
    if not _MODULES.is_dir():
        raise NotInstalled(f"Apache's modules are not in {_MODULES}")
    modules = "\n".join(f"LoadModule {name}_module {_MODULES}/mod_{name}.so" for name in _LOADED)
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    text = _CONFIG.format(folder=folder, port=port, upstream=upstream, modules=modules, user=user, link=LINK)
    return [apache, "-f", written(folder / f"apache-{port}.conf", text), "-DFOREGROUND"]


SUBSTITUTE = Proxy("Apache mod_substitute", _command, injects=True)
