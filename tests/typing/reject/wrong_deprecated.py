"""Uses of deprecated functions: each marked line must be an error to mypy and to pyright."""

# mypy: enable-error-code=deprecated
# pyright: reportDeprecated=true

from bgjobs._core.deprecation import deprecated


@deprecated("bgjobs.old is deprecated since 0.2 and is removed in 0.4: use bgjobs.new.")
def old(value: int) -> int:
    return value


@deprecated("bgjobs.old is deprecated since 0.2 and is removed in 0.4: use bgjobs.new.")
async def old_async(value: int) -> int:
    return value


class Thing:
    @deprecated("Thing.old is deprecated since 0.2 and is removed in 0.4: use Thing.new.")
    def old(self) -> int:
        return 1


async def use() -> None:
    old(1)  # E: deprecated | reportDeprecated
    old("1")  # E: deprecated, arg-type | reportDeprecated, reportArgumentType
    await old_async(1)  # E: deprecated | reportDeprecated
    Thing().old()  # E: deprecated | reportDeprecated
