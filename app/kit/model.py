"""Language models behind any endpoint that speaks OpenAI's chat completions: one bounded question, one checked answer.

No tools, no second try, no redirect, nothing of the environment, no answer longer than ``MAX_BYTES``. What goes wrong is told
by its kind alone, because providers repeat keys and questions in their errors. The packages are an extra, so they are imported
only where a model is set.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from app.kit.egress import is_public
from app.kit.errors import SetupError
from app.kit.log import log

if TYPE_CHECKING:
    import httpx2

MAX_BYTES = 2 * 1024 * 1024
"""An answer of a model that is longer is not read to its end."""
MOST_TOKENS = 100_000_000
"""A provider that says it took more is not believed."""

Output = Literal["tool", "native", "prompted"]
"""How a model is made to answer in form: by a tool call, by a response format, or by words alone."""
Answer = TypeVar("Answer", bound=BaseModel)


class ModelFailure(Enum):
    """Why a model gave nothing that could be used."""

    TIMED_OUT = "no whole answer in time"
    UNREACHABLE = "no connection, or one that broke"
    RATE_LIMITED = "the provider had enough of us, or wants to be paid"
    PROVIDER_ERROR = "the provider failed"
    UNAUTHORIZED = "the provider refused the operator's key"
    REJECTED = "the provider refused the request; no such model, perhaps"
    REFUSED = "the model would not answer"
    TOO_LARGE = "the answer was too long to be read"
    MALFORMED = "the answer was not what was asked for"
    HOSTILE = "the answer held what no answer may hold"


@dataclass(frozen=True)
class Endpoint:
    """A model and where it is asked. Prices are of a million tokens, in the currency."""

    model: str
    url: str
    key: SecretStr
    seconds: float
    output: Output = "tool"
    price_in: Decimal | None = None
    price_out: Decimal | None = None
    currency: str = "USD"

    @property
    def is_own(self) -> bool:
        """Whether it is asked on the operator's machine or in its network: then nothing leaves these."""
        host = urlsplit(self.url).hostname or ""
        try:
            return not is_public(ip_address(host))
        except ValueError:
            return "." not in host or host.endswith((".localhost", ".internal", ".local"))


@dataclass(frozen=True)
class Spent:
    """What an attempt took. Tokens are None where nobody told; cost and currency, where no price is known, too."""

    duration_ms: int
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_micros: int | None = None
    currency: str | None = None


class ModelFailed(Exception):
    """An attempt gave nothing. Its text is the failure's name alone."""

    def __init__(self, failure: ModelFailure, spent: Spent) -> None:
        super().__init__(failure.name)
        self.failure = failure
        self.spent = spent


def require_packages(setting: str) -> None:
    """Raises SetupError where ``setting`` names a model and the extra is not installed."""
    try:
        import pydantic_ai.models.openai  # noqa: F401 - here, because it takes seconds in which a worker's heart stands still
    except ImportError:
        raise SetupError(f"{setting} is set, which needs the extra ai: pip install 'fivefold[ai]'.") from None


async def ask_model(
    endpoint: Endpoint,
    form: type[Answer],
    name: str,
    instructions: str,
    message: str,
    judge: Callable[[Answer], ModelFailure | None],
) -> tuple[Answer, Spent]:
    """One request: an answer of this form with which ``judge`` finds nothing wrong. Raises ModelFailed, whatever goes wrong."""
    from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.usage import RunUsage, UsageLimits

    forms: dict[str, Callable[..., Any]] = {"tool": ToolOutput, "native": NativeOutput, "prompted": PromptedOutput}
    usage = RunUsage()
    started = time.perf_counter()

    def spent() -> Spent:
        read, written = usage.input_tokens, usage.output_tokens
        if not (read or written) or not (0 <= read <= MOST_TOKENS and 0 <= written <= MOST_TOKENS):
            return Spent(since(started))
        cost = cost_of(endpoint, read, written)
        return Spent(since(started), read, written, cost, None if cost is None else endpoint.currency)

    async with _Connection(endpoint, name) as connection:
        agent = Agent(
            OpenAIChatModel(endpoint.model, provider=connection.provider()),
            output_type=forms[endpoint.output](form, name=name),
            instructions=instructions,
            model_settings={"request_timeout": endpoint.seconds},
            retries=0,  # who asks knows whether trying again is worth it
            name=name,
        )
        try:
            found = await agent.run(message, usage=usage, usage_limits=UsageLimits(request_limit=1))
            answer: Answer = found.output
            failure = judge(answer)
        except Exception as error:  # noqa: BLE001 - an answer can break its readers in any way
            failure = ModelFailure.TOO_LARGE if connection.overflowed else _failure(error)
            log.warning(f"{name} failed", model=endpoint.model, failure=failure.name, error=type(error).__name__)
    if failure is not None:
        raise ModelFailed(failure, spent())
    return answer, spent()


def cost_of(endpoint: Endpoint, input_tokens: int | None, output_tokens: int | None) -> int | None:
    """Millionths of the currency, which is tokens times the price of a million; None where a price or a count is unknown."""
    if endpoint.price_in is None or endpoint.price_out is None or input_tokens is None or output_tokens is None:
        return None
    cost = endpoint.price_in * input_tokens + endpoint.price_out * output_tokens
    return int(Decimal(cost).to_integral_value(ROUND_HALF_UP))


def since(started: float) -> int:
    """Milliseconds since a moment of the performance counter."""
    return round((time.perf_counter() - started) * 1000)


class _Connection:
    """The operator's endpoint, asked once: no second try, no redirect, no compressed answer, none longer than MAX_BYTES."""

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        self.endpoint = endpoint
        self.name = name
        self.overflowed = False

    async def __aenter__(self) -> _Connection:
        import httpx2

        self.http = httpx2.AsyncClient(
            timeout=self.endpoint.seconds,
            follow_redirects=False,
            headers={"Accept-Encoding": "identity"},
            event_hooks={"response": [self._bound]},
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.http.aclose()

    def provider(self) -> Any:
        """The endpoint as the library wants it. Nothing of the environment goes there: neither key nor names of OpenAI."""
        from openai import AsyncOpenAI
        from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

        client = AsyncOpenAI(
            base_url=self.endpoint.url,
            api_key=self.endpoint.key.get_secret_value() or "none",
            http_client=self.http,
            max_retries=0,
        )
        client.organization = client.project = None
        return OpenAICompatibleProvider(self.name, openai_client=client)

    async def _bound(self, response: httpx2.Response) -> None:
        import httpx2

        connection, stream = self, cast("httpx2.AsyncByteStream", response.stream)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ValueError("compressed")

        class Bounded(httpx2.AsyncByteStream):
            """The same bytes, as far as they are read."""

            async def __aiter__(self) -> Any:
                read = 0
                async for chunk in stream:
                    read += len(chunk)
                    if read > MAX_BYTES:
                        connection.overflowed = True
                        raise ValueError("too large")
                    yield chunk

            async def aclose(self) -> None:
                await stream.aclose()

        response.stream = Bounded()


def _failure(error: Exception) -> ModelFailure:
    """What a failure of the library means: the first kind that fits."""
    from pydantic_ai import exceptions

    kinds: tuple[tuple[type[Exception], ModelFailure], ...] = (
        (exceptions.ModelRequestTimeout, ModelFailure.TIMED_OUT),
        (exceptions.ModelTimeoutError, ModelFailure.TIMED_OUT),
        (exceptions.ModelRateLimitError, ModelFailure.RATE_LIMITED),
        (exceptions.ModelQuotaExceededError, ModelFailure.RATE_LIMITED),
        (exceptions.ModelAuthenticationError, ModelFailure.UNAUTHORIZED),
        (exceptions.ModelRequestRejectedError, ModelFailure.REJECTED),
        (exceptions.ModelHTTPError, ModelFailure.PROVIDER_ERROR),
        (exceptions.ModelConnectionError, ModelFailure.UNREACHABLE),
        (exceptions.ContentFilterError, ModelFailure.REFUSED),
    )
    return next((failure for kind, failure in kinds if isinstance(error, kind)), ModelFailure.MALFORMED)
