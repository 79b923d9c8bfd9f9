"""The functions that an account starts with, as a function of the seed alone.

Without a number of functions it is the catalogue of archetypes as it is. With one, further
functions are variants of archetypes (other names, volumes and constants) until there are so many.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from lambda_autotuner.sandbox.functions.mappings import (
    MAPPINGS,
    Mapping,
    Mappings,
    source_defaults,
)
from lambda_autotuner.sandbox.functions.records import (
    Alias,
    Configuration,
    FunctionRecord,
    ProvisionedConcurrency,
    Version,
    function_arn,
)
from lambda_autotuner.sandbox.world.archetypes import ARCHETYPES, Archetype
from lambda_autotuner.sandbox.world.packages import digest, package
from lambda_autotuner.sandbox.world.randomness import key_of, mix, uuid_text
from lambda_autotuner.sandbox.world.replay import replayed
from lambda_autotuner.sandbox.world.variation import varied

if TYPE_CHECKING:
    from lambda_autotuner.sandbox.state import RegionState
    from lambda_autotuner.sandbox.world.replay import Curves

DAY_MS: Final = 86_400_000
_TEAMS: Final = (
    "orders",
    "media",
    "search",
    "billing",
    "mobile",
    "crm",
    "data",
    "iot",
    "risk",
    "web",
)
_STAGES: Final = ("prod", "staging", "dev", "qa")


def open_region(region: RegionState) -> None:
    """Fill a region that an account just opened: only the home region comes with functions."""
    if region.name == region.account.world.settings.home_region:
        populate(region)


def populate(region: RegionState) -> None:
    """Put the seeded functions into an account's home region."""
    world = region.account.world
    now_ms = world.born_ms
    seed = world.settings.seed
    for archetype in chosen(seed, world.settings.functions):
        key = function_key(seed, archetype.name)
        region.functions[archetype.name] = build(region, archetype, key, now_ms)
        if archetype.queue:
            _feed(region, archetype, key, now_ms)
    for name, record in replayed_functions(region, world.curves, now_ms).items():
        region.functions[name] = record


def _feed(region: RegionState, archetype: Archetype, key: int, now_ms: int) -> None:
    # The stream or queue that calls a function shows as an event source mapping.
    service, _, name = archetype.queue.partition(":")
    place = f"arn:aws:{service}:{region.name}:{region.account.account_id}"
    qualifier = archetype.alias or None
    created_ms = now_ms - round(archetype.age_days * DAY_MS)
    item = Mapping(
        uuid=_uuid(key, 70),
        function_arn=function_arn(
            region.name, region.account.account_id, archetype.name, qualifier
        ),
        enabled=True,
        values={
            **source_defaults(service),
            "EventSourceArn": f"{place}:stream/{name}",
            "StartingPosition": "LATEST",
        },
        modified_ms=created_ms,
        settles_ms=created_ms,
        creating=False,
    )
    region.extension(MAPPINGS, Mappings).items[item.uuid] = item


def function_key(seed: int, name: str) -> int:
    """What a function's randomness hangs on; the same in every account of a world."""
    return key_of(seed, "function", name)


def chosen(seed: int, count: int | None) -> list[Archetype]:
    """The archetypes and variants that an account of this size holds."""
    base = list(ARCHETYPES)
    if count is None:
        return base
    if count <= len(base):
        return base[:count]
    return base + [variant(seed, index) for index in range(count - len(base))]


def variant(seed: int, index: int) -> Archetype:
    """One more function like an archetype, but with a name, a volume and constants of its own."""
    bits = mix(key_of(seed, "variant") ^ index)

    def draw(stream: int) -> float:
        return (mix(bits ^ stream) >> 11) * 2.0**-53

    archetype = ARCHETYPES[int(draw(1) * len(ARCHETYPES))]
    team = _TEAMS[int(draw(2) * len(_TEAMS))]
    stage = _STAGES[min(int(draw(3) ** 2 * len(_STAGES)), 3)]
    scale = 10 ** (draw(4) * 3.2 - 3.4) * (1.0 if stage == "prod" else 0.02)
    law = varied(
        archetype.law,
        io_ms=archetype.law.io_ms * 2 ** (draw(5) * 2 - 1),
        cpu_ms=archetype.law.cpu_ms * 2 ** (draw(6) * 2 - 1),
        phase=draw(7),
    )
    traffic = varied(
        archetype.traffic,
        per_month=archetype.traffic.per_month * scale,
        peak_hour=int(draw(8) * 24),
    )
    return varied(
        archetype,
        name=f"{team}-{archetype.name}-{stage}-{index:05d}",
        law=law,
        traffic=traffic,
        owner=team,
        stage=stage,
        modified_days=5 + draw(9) * 500,
        age_days=510 + draw(9) * 300,
        canary=0.0,
        # Hundreds of reservations would leave nothing of the account's concurrency.
        reserved=None,
        provisioned=0,
    )


def replayed_functions(
    region: RegionState, curves: Curves | None, now_ms: int
) -> dict[str, FunctionRecord]:
    """One function per measured curve."""
    if curves is None:
        return {}
    seed = region.account.world.settings.seed
    found = {}
    for archetype, behaviour in replayed(curves):
        key = function_key(seed, archetype.name)
        record = build(region, archetype, key, now_ms)
        record.behaviour = behaviour
        found[archetype.name] = record
    return found


def build(region: RegionState, archetype: Archetype, key: int, now_ms: int) -> FunctionRecord:
    """A function with its history: created, changed, published, named by an alias."""
    account_id = region.account.account_id
    modified_ms = now_ms - round(archetype.modified_days * DAY_MS)
    created_ms = now_ms - round(max(archetype.age_days, archetype.modified_days) * DAY_MS)
    configuration = _configuration(archetype, region.name, account_id, key)
    record = FunctionRecord(
        name=archetype.name,
        latest=configuration,
        created_ms=created_ms,
        modified_ms=modified_ms,
        revision_id=_uuid(key, 1),
        behaviour=archetype.law,
        traffic=archetype.traffic,
        key=key,
        archetype=archetype.name,
        seeded_versions=archetype.versions,
        tags={
            "owner": archetype.owner,
            "team": archetype.owner,
            "stage": archetype.stage,
            **archetype.tags,
        },
        settles_ms=modified_ms,
        reserved_concurrency=archetype.reserved,
    )
    record.history = _history(archetype, configuration, created_ms, modified_ms, now_ms)
    if archetype.reserved is not None:
        record.reserved_history = [(created_ms, archetype.reserved)]
    if archetype.versions:
        _publish(record, archetype, key)
    return record


def _configuration(archetype: Archetype, region: str, account_id: str, key: int) -> Configuration:
    raw = package(archetype.name, build_name(key, archetype.versions))
    image = archetype.package_type == "Image"
    environment = dict(archetype.environment) or None
    return Configuration(
        runtime=archetype.runtime if archetype.package_type == "Zip" else None,
        handler=archetype.handler if archetype.package_type == "Zip" else None,
        role=f"arn:aws:iam::{account_id}:role/{archetype.name}-role",
        memory_mb=archetype.memory_mb,
        timeout_s=archetype.timeout_s,
        description=archetype.about,
        architecture=archetype.architecture,
        ephemeral_mb=archetype.ephemeral_mb,
        environment=environment,
        tracing="Active" if archetype.tracing else "PassThrough",
        snap_start="PublishedVersions" if archetype.snap_start else "None",
        package_type=archetype.package_type,
        code_sha256=hashlib.sha256(raw).hexdigest() if image else digest(raw),
        code_size=0 if image else len(raw),
        layers=tuple(
            f"arn:aws:lambda:{region}:{account_id}:layer:{archetype.owner}-common-{n + 1}:{3 + n}"
            for n in range(archetype.layers)
        ),
        vpc=_vpc(key) if archetype.vpc else None,
        image_uri=f"{account_id}.dkr.ecr.{region}.amazonaws.com/{archetype.name}:latest"
        if archetype.package_type == "Image"
        else None,
        log_format=archetype.log_format,
    )


def build_name(key: int, number: int) -> str:
    """What a package calls its build; each version of a seeded function has its own."""
    return f"{key % 16**8:08x}-{number}"


def seeded_package(name: str, key: int, number: int) -> bytes:
    """The code of a seeded function's version (0 or the last one: $LATEST)."""
    return package(name, build_name(key, number))


def _vpc(key: int) -> dict[str, object]:
    return {
        "SubnetIds": [f"subnet-{key % 16**8:08x}a", f"subnet-{key % 16**8:08x}b"],
        "SecurityGroupIds": [f"sg-{key % 16**9:09x}"],
        "VpcId": f"vpc-{key % 16**7:07x}",
        "Ipv6AllowedForDualStack": False,
    }


def _history(
    archetype: Archetype,
    configuration: Configuration,
    created_ms: int,
    modified_ms: int,
    now_ms: int,
) -> list[tuple[int, Configuration]]:
    history: list[tuple[int, Configuration]] = []
    start_ms = created_ms
    for change in sorted(archetype.earlier, key=lambda each: -each.days):
        earlier = varied(
            configuration,
            memory_mb=change.memory_mb or configuration.memory_mb,
            timeout_s=change.timeout_s or configuration.timeout_s,
            architecture=change.architecture or configuration.architecture,
        )
        history.append((start_ms, earlier))
        start_ms = now_ms - round(change.days * DAY_MS)
    history.append((start_ms, configuration))
    del modified_ms
    return history


def _publish(record: FunctionRecord, archetype: Archetype, key: int) -> None:
    # The last version is what $LATEST is now; earlier ones follow the history of settings.
    count = archetype.versions
    times = _version_times(record, count)
    for number, created_ms in enumerate(times, start=1):
        configuration = record.history[0][1]
        for start_ms, item in record.history:
            if start_ms <= created_ms:
                configuration = item
        if number < count:
            raw = package(archetype.name, build_name(key, number))
            configuration = varied(configuration, code_sha256=digest(raw), code_size=len(raw))
        record.versions[str(number)] = Version(
            str(number), configuration, created_ms, _uuid(key, 100 + number), created_ms
        )
    record.next_version = count + 1
    record.published = record.latest
    if not archetype.alias:
        return
    steps: list[tuple[int, str, dict[str, float]]] = [
        (created_ms, str(number), {}) for number, created_ms in enumerate(times, start=1)
    ]
    if archetype.canary and count > 1:
        start_ms = times[-1]
        steps[-1] = (start_ms, str(count - 1), {str(count): archetype.canary})
    _, version, weights = steps[-1]
    record.aliases[archetype.alias] = Alias(
        archetype.alias, version, weights, f"What {archetype.stage} calls", _uuid(key, 50), steps
    )
    if archetype.provisioned:
        record.provisioned[archetype.alias] = ProvisionedConcurrency(
            archetype.provisioned, times[-1], times[-1], [(times[-1], archetype.provisioned)]
        )


def _version_times(record: FunctionRecord, count: int) -> list[int]:
    last_ms = max(record.modified_ms, record.history[-1][0])
    span = last_ms - record.created_ms
    return [record.created_ms + span * number // count for number in range(1, count)] + [last_ms]


def _uuid(key: int, stream: int) -> str:
    return uuid_text(mix(key ^ stream), mix(key ^ (stream << 20)))
