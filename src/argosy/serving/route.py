"""What a model name resolves to: an engine process, and the adapter within it."""

from dataclasses import dataclass
from typing import Any

from argosy.catalog import Provider, adapters_of, answer_length, cards, list_providers
from argosy.runtime import Transaction
from argosy.serving.engines import EngineSpec
from argosy.serving.store import fitted_files, list_deployments, ready_replicas
from argosy.serving.versions import PROVIDER


@dataclass(frozen=True)
class Route:
    """One model name at one replica. The gateway keeps these in memory and reloads them when the version changes."""

    model: str
    project_id: str | None
    """Who may use it; None is everyone."""
    base_model: str
    url: str
    """``http://127.0.0.1:PORT``, with OpenAI's paths below it."""
    adapter_index: int | None
    """Place of the adapter in the replica's list, None for the base itself."""
    adapter_count: int
    engine: str
    context_length: int
    """Tokens of one request, prompt and answer together, at this replica."""
    replica_id: str
    modality: str = "chat"
    """As on the base model's card."""
    provider: Provider | None = None
    """Who answers instead of an engine of ours; ``url`` is then the address below which OpenAI's paths lie."""
    provider_model: str = ""
    """What the provider calls the model."""
    answer_length: int = 0
    """Tokens of the longest answer of a provider; 0 if it is not known."""
    slots: int = 0
    """Requests that this replica computes side by side; 0: as many as come."""
    revision: str = ""
    """What was deployed, down to the file and the adapter: another revision may give other answers."""
    version: str = ""
    """The same in short, for bills: the deployment's id and the number of its version, then the adapter's digest or
    the name that a provider has for it."""

    @property
    def price_model(self) -> str:
        """The model whose price applies, unless there is one for ``model`` itself."""
        return self.base_model


def routes(tx: Transaction) -> list[Route]:
    """Everything that can be asked right now: every base with a ready replica, and its adapters."""
    found, fits = _provided(tx), fitted_files(tx)
    for row in ready_replicas(tx):
        adapters = {version.name: version for version in adapters_of(tx, row.model)}
        revision = revision_of(row.deployment_id, row.version, fits.get((row.deployment_id, row.version)))
        common: dict[str, Any] = {
            "base_model": row.model,
            "url": row.url,
            "adapter_count": len(row.adapters),
            "engine": row.engine,
            "context_length": row.context_length,
            "replica_id": row.id,
            "modality": modality_of(row.model),
            "slots": EngineSpec.slots if row.engine == "llama_cpp" else 0,
        }
        common["version"] = version_of(row.deployment_id, row.version)
        own: dict[str, Any] = {"project_id": row.dedicated_to, "revision": revision}
        found.append(Route(model=row.model, adapter_index=None, **own, **common))
        for index, name in enumerate(row.adapters):
            adapter = adapters.get(name)  # a deleted one is served no longer, even before its engine is replaced
            if adapter and row.dedicated_to in (None, adapter.project_id):
                own = {"project_id": adapter.project_id, "revision": f"{revision} {adapter.digest}"}
                own["version"] = version_of(row.deployment_id, row.version, adapter.digest)
                found.append(Route(model=name, adapter_index=index, **{**common, **own}))
    return found


def _provided(tx: Transaction) -> list[Route]:
    """Models that providers answer for: nothing of ours has to run for them."""
    providers = {provider.name: provider for provider in list_providers(tx)}
    found = []
    for deployment in list_deployments(tx):
        spec = deployment.spec
        provider = providers.get(spec.provider or "")
        if spec.engine == PROVIDER and deployment.desired == "running" and provider:
            found.append(
                Route(
                    model=deployment.model,
                    project_id=None,
                    base_model=deployment.model,
                    url=provider.base_url,
                    adapter_index=None,
                    adapter_count=0,
                    engine=PROVIDER,
                    context_length=0,
                    replica_id="",
                    modality=modality_of(deployment.model),
                    provider=provider,
                    provider_model=spec.provider_model or deployment.model,
                    answer_length=answer_length(provider.name, spec.provider_model or deployment.model),
                    revision=f"{provider.id} {provider.base_url} {spec.provider_model}",
                    version=version_of(deployment.id, deployment.version, spec.provider_model or deployment.model),
                )
            )
    return found


def revision_of(deployment_id: str, version: int, file: str | None) -> str:
    """The revision of a base model that is served from ``file``."""
    return f"{deployment_id} {version} {file or ''}"


def version_of(deployment_id: str, version: int, of_it: str = "") -> str:
    """What a usage row says of the model that answered; at most 200 characters."""
    return f"{deployment_id} v{version} {of_it}".rstrip()[:200]


def modality_of(model: str) -> str:
    """What the model's card says; a name without one, such as ``echo``, chats."""
    known = cards().get(model)
    return known.modality if known else "chat"


def engine_request(route: Route) -> dict[str, Any]:
    """Members to add to a request's JSON body for the engine.

    Always the full list of adapters: an absent or shorter one falls back to what the engine has set for everybody.
    """
    if route.adapter_count == 0:
        return {}
    chosen = route.adapter_index
    return {"lora": [{"id": i, "scale": 1.0 if i == chosen else 0.0} for i in range(route.adapter_count)]}
