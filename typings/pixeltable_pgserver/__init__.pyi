from pathlib import Path

class PostgresServer:
    bin_path: Path
    def get_uri(self, database: str | None = ..., driver: str | None = ...) -> str: ...
    def get_pid(self) -> int | None: ...
    def cleanup(self) -> None: ...

def get_server(
    pgdata: Path | str,
    *,
    cleanup_mode: str | None = ...,
    start: bool = ...,
    postgres_version: int = ...,
) -> PostgresServer: ...
