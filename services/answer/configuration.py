"""What answers depend on besides the request, as one digest: whoever keeps answers compares it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from pydantic import SecretStr

from libs.settings import ServiceSettings
from services.answer.prompts.manager import PromptVersion
from services.answer.providers.protocol import Provider
from services.answer.settings import Settings


def configuration_of(provider: Provider, settings: Settings, prompts: Sequence[PromptVersion]) -> str:
    """SHA-256, lower-case hex, over settings, prompts, and what is known of the model.

    Every setting of the service takes part, so that none can be forgotten, and so does the text of the
    providers file; secrets do not.
    """
    chosen = {
        name: str(value)
        for name in sorted(Settings.model_fields.keys() - ServiceSettings.model_fields.keys())
        if not isinstance(value := getattr(settings, name), SecretStr)
    }
    everything = {
        "settings": chosen,
        "providers_file": settings.providers_file.read_text("utf-8") if settings.providers_file else "",
        "prompts": [(prompt.version, prompt.sha256, prompt.is_default) for prompt in prompts],
        "provider": (provider.name, provider.adapter, provider.model, asdict(provider.capabilities)),
    }
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()
