"""Files of certificates, read when the settings are loaded so that a wrong one is told at once."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from portal_gateway.settings.files import located


def _readable(path: Path, info: ValidationInfo) -> Path:
    path = located(path, info)
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ValueError(f"{path} holds no certificates in PEM") from None
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or type(error).__name__}") from None
    return path


# Relative to the configuration file.
CertificatesFile = Annotated[Path, AfterValidator(_readable)]
