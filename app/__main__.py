"""The command line: ``fivefold demo | serve | worker | migrate | seed | token | schema | doctor``, and others."""

from __future__ import annotations

import asyncio
import gc
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from app import settings as environment
from app.kit import log
from app.kit.errors import AppError, SetupError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

as_json = click.option("--json", "in_json", is_flag=True, help="Print JSON.")


class Commands(click.Group):
    """Lists the settings below the commands."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Every environment variable with its default."""
        with formatter.section("Environment"):
            formatter.write_dl(
                [(name, f"{meaning} [{default}]" if default else meaning) for name, default, meaning in environment.describe()]
            )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="fivefold")
def cli() -> None:
    """Fivefold: one GraphQL API server over hand-written SQL and one PostgreSQL database."""


def main() -> None:
    """The entry point: what an operator must put right is one sentence and exit code 1."""
    signal.signal(signal.SIGTERM, interrupt)
    try:
        cli(standalone_mode=True)
    except (SetupError, AppError) as error:
        err.print(f"fivefold: {error.message if isinstance(error, AppError) else error}", style="red", markup=False)
        sys.exit(1)


def interrupt(number: int, frame: object) -> None:
    """A service manager's signal ends the program as Ctrl-C does, so that what was started is stopped."""
    raise KeyboardInterrupt


def emit(value: Any, in_json: bool, line: Callable[[Any], str] = str) -> None:
    """A list of things, one line each or as JSON."""
    if in_json:
        print(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())
    else:
        for item in value if isinstance(value, list) else [value]:
            print(line(item))


def database_url() -> str:
    """DATABASE_URL, which every command but demo needs."""
    return environment.read().require_database_url()


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--data", default=".fivefold", show_default=True, type=click.Path(path_type=Path), help="Folder of the database.")
def demo(host: str, port: int, data: Path) -> None:
    """Run everything here: embedded PostgreSQL, demo data, API and GraphiQL."""
    from app import demo, seed  # the embedded server is an extra

    with seed_progress() as (total, step):
        demo.run(host, port, data.absolute(), lambda text: print(text, flush=True), seed.Progress(total, step))


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
def serve(host: str, port: int) -> None:
    """Serve the API. DATABASE_URL logs in as fivefold_api."""
    gc.disable()  # next to nothing of what is loaded is garbage; ``serve.run`` turns it on again
    # There is nothing to stop yet, and what a handler raises inside a destructor is lost.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    from app import serve

    settings = environment.read()
    log.configure(settings.log_format)
    url = settings.require_database_url()
    asyncio.run(serve.check_login(url, "fivefold_api"))
    serve.check_migrations(url)
    asyncio.run(serve.check_vault(url, settings))
    serve.check_documents(settings)
    serve.run(settings, serve.listen(host, port), ready=lambda: signal.signal(signal.SIGTERM, interrupt))


@cli.command()
@click.option("--drain", is_flag=True, help="Do what is due and end.")
def worker(drain: bool) -> None:
    """Run the jobs. DATABASE_URL logs in as fivefold_worker."""
    import uvloop

    from app import serve, worker

    settings = environment.read()
    log.configure(settings.log_format)
    url = settings.require_database_url()
    asyncio.run(serve.check_login(url, "fivefold_worker"))
    serve.check_migrations(url)
    asyncio.run(serve.check_vault(url, settings))
    uvloop.run(worker.run(settings, drain=drain))


@cli.command()
@click.option("--print", "only_print", is_flag=True, help="Print the SQL for a DBA and do nothing.")
@as_json
def bootstrap(only_print: bool, in_json: bool) -> None:
    """Make roles, database and grants. Run it again at any time. DATABASE_URL is an administrator's."""
    from psycopg.conninfo import conninfo_to_dict

    from app.kit import bootstrap

    if only_print:
        url = environment.read().database_url
        database = str(conninfo_to_dict(url).get("dbname") or "fivefold") if url else "fivefold"
        print("\n\n".join(bootstrap.statements(database)))
    else:
        emit(bootstrap.run(database_url()), in_json)


@cli.group()
def migrate() -> None:
    """Apply, check and revert migrations. DATABASE_URL is an administrator's, who may become fivefold_owner."""


@migrate.command("up")
@click.option("--until", metavar="ID", help="Stop after this one.")
@click.option("--phase", type=click.Choice(["pre", "post"]), help="Only those that run before, or after, the new code.")
@as_json
def migrate_up(until: str | None, phase: str | None, in_json: bool) -> None:
    """Apply what is pending. After a crash: just run it again."""
    from app.kit import migrate

    done = migrate.up(database_url(), until=until, phase=phase, on_step=None if in_json else tell_step)
    emit(done if in_json or done else ["nothing pending"], in_json)


@migrate.command("down")
@click.argument("migration", metavar="ID", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def migrate_down(migration: str | None, yes: bool, in_json: bool) -> None:
    """Revert the last migration, or all from the last one down to ID."""
    from app.kit import migrate

    url = database_url()
    what = f"everything down to {migration}" if migration else "the last migration"
    if not yes and not click.confirm(f"Revert {what}? Data that it brought is lost.", err=True):
        raise SetupError("Nothing was reverted.")
    emit(migrate.down(url, migration, on_step=None if in_json else tell_step), in_json)


@migrate.command("status")
@as_json
def migrate_status(in_json: bool) -> None:
    """What is applied, pending, or changed since it was applied."""
    from app.kit import migrate

    rows = [asdict(row) for row in migrate.status(database_url())]
    emit(rows, in_json, lambda r: f"{r['id']:60} {r['applied_at'] or '-':%Y-%m-%d %H:%M}  {r['state']}"
         if r["applied_at"] else f"{r['id']:60} {'-':16}  {r['state']}")  # fmt: skip


@migrate.command("plan")
@as_json
def migrate_plan(in_json: bool) -> None:
    """The order of all migrations, checked without a database; with DATABASE_URL also what is pending there."""
    from app.kit import migrate

    rows = [asdict(row) for row in migrate.plan(url=environment.read().database_url or None)]
    states = {None: "", True: "pending  ", False: "applied  "}
    emit(rows, in_json, lambda r: f"{states[r['pending']]}{r['id']}: {r['headers']['Change']}")


@migrate.command("verify")
@as_json
def migrate_verify(in_json: bool) -> None:
    """Check what is applied: contents unchanged, assertions true."""
    from app.kit import migrate

    checks = [asdict(check) for check in migrate.verify(database_url())]
    emit(checks, in_json, lambda c: f"{'ok     ' if c['passed'] else 'FAILED '} {c['id']}  {c['message']}")
    if not all(check["passed"] for check in checks):
        sys.exit(1)


@migrate.command("review")
@as_json
def migrate_review(in_json: bool) -> None:
    """For each pending migration: its SQL, the locks it takes, what the linters say. All of them without DATABASE_URL."""
    from app.kit import migrate

    found = migrate.review(environment.read().database_url or None)
    emit([asdict(one) for one in found] if in_json else found, in_json, migrate.show)


def tell_step(step: Any) -> None:
    """A line for what an operator would want to see of a migration."""
    if step.stage == "waiting":
        print("waiting for another run to end ...", file=sys.stderr, flush=True)
    elif step.stage == "committed":
        print(f"{step.direction:4} {step.id}", file=sys.stderr, flush=True)


@cli.group()
def vault() -> None:
    """Rotate the keys that secrets are sealed with. DATABASE_URL is an administrator's, who may become fivefold_owner."""


@vault.command("status")
@as_json
def vault_status(in_json: bool) -> None:
    """Which keys are in use, and which of them FIVEFOLD_VAULT_KEYS has."""
    from app import vault as keys

    settings = environment.read()
    rows = [asdict(row) for row in asyncio.run(keys.status(settings.require_database_url(), settings))]
    emit(rows, in_json, lambda r: f"{r['key_id']}  {r['state']:8} {r['data_keys']} data keys")
    if any(row["state"] == "missing" for row in rows):
        sys.exit(1)


@vault.command("rotate")
@as_json
def vault_rotate(in_json: bool) -> None:
    """Wrap every data key with the first of FIVEFOLD_VAULT_KEYS, while all goes on. After a crash: just run it again."""
    from app import vault as keys

    settings = environment.read()
    done = asdict(asyncio.run(keys.rotate(settings.require_database_url(), settings)))
    emit(done, in_json, lambda r: f"{r['wrapped']} data keys wrapped with {r['key_id']}; {r['refused']} could not be opened")
    if done["refused"]:
        sys.exit(1)


@cli.group()
def audit() -> None:
    """Verify the audit, or prove from it. DATABASE_URL is an administrator's or the auditor's."""


keys = click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A public key to trust, kept elsewhere; may be repeated.",
)
checkpoints = click.option(
    "--checkpoint", "checkpoints", multiple=True, type=click.Path(path_type=Path), help="A checkpoint that was kept elsewhere."
)


@audit.command("verify")
@click.option("--from", "first", type=click.IntRange(1), default=1, help="First block.")
@click.option("--to", "last", type=click.IntRange(1), help="Last block.")
@click.option("--offline", is_flag=True, help="Verify proofs and checkpoints alone, without a database.")
@click.option("--proof", "proofs", multiple=True, type=click.Path(path_type=Path), help="A proof, to verify offline.")
@checkpoints
@keys
@as_json
def audit_verify(
    first: int,
    last: int | None,
    offline: bool,
    proofs: tuple[Path, ...],
    checkpoints: tuple[Path, ...],
    keys: tuple[Path, ...],
    in_json: bool,
) -> None:
    """Compute every seal again from the rows; name what was changed. Exit code 1 where anything was."""
    from app import audit

    settings = environment.read()
    if offline or proofs:
        shown = audit.verify_offline(settings, proofs, checkpoints, keys)
        emit(shown, in_json, audit.show_proof)
        if not all(one["proven"] for one in shown):
            sys.exit(1)
        return
    url = settings.require_database_url()
    report = asyncio.run(audit.verify(url, settings, first=first, last=last, checkpoints=checkpoints, keys=keys))
    emit(asdict(report), in_json, lambda _: audit.show(report))
    if report.findings or report.more:
        sys.exit(1)


@audit.command("proof")
@click.argument("event", metavar="EVENT_ID")
@click.option(
    "--against", type=click.Path(path_type=Path), help="A checkpoint that was kept: prove too that the log continues it."
)
def audit_proof(event: str, against: Path | None) -> None:
    """Print, as JSON, the proof that an event is in the sealed log. EVENT_ID is a uuid or a global id."""
    from app import audit

    emit(asyncio.run(audit.prove(database_url(), event, against)), True)


@audit.command("checkpoint")
@click.option("--output", type=click.Path(path_type=Path), help="Write it to a file.")
def audit_checkpoint(output: Path | None) -> None:
    """Print the newest signed checkpoint. Keep it where the database's people cannot change it."""
    from app import audit

    text = asyncio.run(audit.checkpoint(database_url()))
    if output is None:
        print(text, end="")
    else:
        output.write_text(text, encoding="utf-8")


@audit.command("key")
def audit_key() -> None:
    """Print the public half of FIVEFOLD_AUDIT_KEY, to be given to those who verify."""
    from app import audit

    print(audit.public_key(environment.read()))


@audit.command("retire")
@as_json
def audit_retire(in_json: bool) -> None:
    """Delete months that are older than FIVEFOLD_AUDIT_MONTHS and as they were sealed, as the worker does every night."""
    from app import audit

    done = asyncio.run(audit.retire(database_url(), environment.read()))
    emit(done if in_json or done else ["nothing to retire"], in_json)


@audit.command("seal")
@as_json
def audit_seal(in_json: bool) -> None:
    """Seal now what has ended, as the worker does every second. FIVEFOLD_AUDIT_KEY signs."""
    from app import audit

    count = asyncio.run(audit.seal(database_url(), environment.read()))
    emit({"sealed": count} if in_json else f"{count} events sealed", in_json)


@cli.group()
def curator() -> None:
    """Say who may write shared nouns. DATABASE_URL is an administrator's."""


@curator.command("grant")
@click.option("--email", required=True)
def curator_grant(email: str) -> None:
    """Make an account a curator."""
    from app import people

    print(asyncio.run(people.grant_curator(database_url(), email)))


@curator.command("revoke")
@click.option("--email", required=True)
def curator_revoke(email: str) -> None:
    """Take it back."""
    from app import people

    print(asyncio.run(people.revoke_curator(database_url(), email)))


@curator.command("list")
@as_json
def curator_list(in_json: bool) -> None:
    """List the curators."""
    from app import people

    found = [asdict(c) for c in asyncio.run(people.list_curators(database_url()))]
    emit(found, in_json, lambda c: f"{c['email']}  {c['display_name']}  since {c['granted_at']:%Y-%m-%d}")


@cli.group()
def erasure() -> None:
    """Erase people, and erase them again after a restore. DATABASE_URL is an administrator's."""


@erasure.command("request")
@click.option("--email", required=True, help="Whom.")
@click.option("--now", is_flag=True, help="At once, without the time to think.")
@click.option("--organizations", is_flag=True, help="With organizations that nobody else owns.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erasure_request(email: str, now: bool, organizations: bool, yes: bool) -> None:
    """Erase an account when the time to think has passed."""
    from app import people

    settings = environment.read()
    if not yes and not click.confirm(f"Erase {email}? Nothing brings it back.", err=True):
        raise SetupError("Nothing was erased.")
    days = 0 if now else settings.erasure_days
    due = asyncio.run(people.request_erasure(database_url(), email, days=days, organizations=organizations, settings=settings))
    print(f"{email} is erased" if now else f"{email} will be erased on {due.due_at:%Y-%m-%d}")
    if now and settings.erasure_folder is None:
        click.echo("Old dumps hold them still: note it outside of the database by `fivefold erasure export FILE`.", err=True)


@erasure.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def erasure_export(file: Path) -> None:
    """Write the ledger of erasures to FILE: keep it apart from the dumps. It names nobody."""
    from app import people

    print(f"{asyncio.run(people.export_ledger(database_url(), file))} erasures written to {file}")


@erasure.command("replay")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
def erasure_replay(path: Path) -> None:
    """After a restore: erase again whom PATH names, a file or the folder FIVEFOLD_ERASURE_FOLDER. Run it again at any time."""
    from app import people

    print(f"{asyncio.run(people.replay_ledger(database_url(), path, environment.read()))} erased again")


@cli.group(invoke_without_command=True)
@click.pass_context
@as_json
def seed(ctx: click.Context, in_json: bool) -> None:
    """Load the curated platforms and templates. DATABASE_URL is an administrator's."""
    from app import seed

    if ctx.invoked_subcommand is None:
        emit(asyncio.run(seed.load_curated(database_url())) or ["nothing new"], in_json)


@seed.command("demo")
@as_json
def seed_demo(in_json: bool) -> None:
    """Load demo people with half a year of scans as well."""
    from app import seed
    from app.settings import Settings

    with seed_progress() as (total, step):
        lines = asyncio.run(seed.load_demo(database_url(), seed.Progress(total, step), Settings()))
    emit(lines, in_json)


@seed.command("perf")
@click.argument("count", type=click.IntRange(1, 10_000_000))
@as_json
def seed_perf(count: int, in_json: bool) -> None:
    """Add COUNT made-up people with links and scans, to measure with."""
    from app import seed

    with seed_progress("chunks") as (total, step):
        lines = asyncio.run(seed.load_perf(database_url(), count, seed.Progress(total, step)))
    emit(lines, in_json)


@seed.command("check")
@as_json
def seed_check(in_json: bool) -> None:
    """Check the curated files, without a database."""
    from app import seed

    emit(seed.check(), in_json)


@cli.command()
@click.option("--email", required=True, help="Whose token.")
@click.option("--workspace", help="Global id of the workspace; the personal one when left out.")
@click.option("--scope", "scopes", multiple=True, help="Only this, such as snapshots:write; may be repeated.")
@click.option("--lifetime", default="8h", show_default=True, help="45m, 8h or 30d.")
@click.option("--create", is_flag=True, help="Make the account where there is none.")
@as_json
def token(email: str, workspace: str | None, scopes: tuple[str, ...], lifetime: str, create: bool, in_json: bool) -> None:
    """Print a bearer token for development. DATABASE_URL is an administrator's; FIVEFOLD_JWT_KEYS signs."""
    from app import people

    settings = environment.read()
    made = asyncio.run(
        people.mint(
            settings.require_database_url(),
            settings.jwt_keys,
            email=email,
            workspace=workspace,
            scopes=list(scopes) or None,
            lifetime=parse_lifetime(lifetime),
            create=create,
        )
    )
    emit({"token": made} if in_json else made, in_json)


@cli.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when the file is not up to date.")
@click.option("--file", default="schema.graphql", show_default=True, type=click.Path(path_type=Path))
def schema(check: bool, file: Path) -> None:
    """Write schema.graphql, from which front ends make their types."""
    from app.schema import schema

    text = schema.as_str() + "\n"
    if not check:
        file.write_text(text, encoding="utf-8")
    elif not file.exists() or file.read_text(encoding="utf-8") != text:
        raise SetupError(f"{file} is not what the code says: run `fivefold schema` and review the difference.")
    print(f"{file} {'is up to date' if check else 'written'}")


@cli.command()
@as_json
def doctor(in_json: bool) -> None:
    """Check connection, version, roles, migrations, partitions, triggers, clock and mail."""
    from app import doctor

    settings = environment.read()
    checks = [asdict(check) for check in asyncio.run(doctor.examine(settings.require_database_url(), settings))]
    emit(checks, in_json, lambda c: f"{c['state']:8} {c['name']:18} {c['found']}")
    if any(check["state"] == "failed" for check in checks):
        sys.exit(1)


@cli.command()
def upkeep() -> None:
    """Make the audit's next partitions and drop keys past their week. For a daily timer; an administrator or the worker."""
    from app.core import upkeep
    from app.kit.db import open_as

    async def run() -> None:
        async with open_as(database_url(), "fivefold_worker") as (_, db):
            await upkeep.run(db)

    asyncio.run(run())
    print("done")


def parse_lifetime(text: str) -> timedelta:
    """45m, 8h or 30d as a span. Raises SetupError."""
    units = {"m": "minutes", "h": "hours", "d": "days"}
    match = re.fullmatch(r"([1-9]\d{0,3})([mhd])", text)
    if match is None:
        raise SetupError(f"{text[:20]!r} is no lifetime; write 45m, 8h or 30d")
    return timedelta(**{units[match[2]]: int(match[1])})


@contextmanager
def seed_progress(what: str = "scans") -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    """A bar on a terminal, a line at each quarter elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)
        done = all_of_it = 0

        def total(count: int) -> None:
            nonlocal all_of_it
            all_of_it = count
            bar.update(task, total=count)

        def step() -> None:
            nonlocal done
            done += 1
            bar.update(task, completed=done)
            if not err.is_terminal and done % max(1, all_of_it // 4) == 0:
                print(f"{done} of {all_of_it} {what}", file=sys.stderr, flush=True)

        yield total, step


if __name__ == "__main__":
    main()
