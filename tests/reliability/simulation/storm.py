"""What happens to a world: the blows of the plan, the calm after them, and the end."""

import trio

import bgjobs
from tests.reliability.simulation.plan import LEASE, Blow
from tests.reliability.simulation.process import Process
from tests.reliability.simulation.world import World

PATIENCE = 50 * LEASE
"""Seconds after the storm in which everything must have come to rest."""


async def play(world: World, nursery: trio.Nursery) -> None:
    """Let a world go through all of it."""
    plan = world.plan
    for node in range(plan.nodes):
        world.start(nursery, node)
    async with trio.open_nursery() as storm:
        for blow in plan.blows:
            storm.start_soon(_strike, world, nursery, blow)
        await trio.sleep(plan.storm)
        storm.cancel_scope.cancel()
    _calm(world, nursery)
    with trio.move_on_after(PATIENCE) as patience:
        await _rest(world)
        await _end(world)
    witness = world.witness
    text = f"no rest: {list(witness.live.values())}, owners of {witness.owners.open}"
    world.journal.expect(not patience.cancelled_caught, text)


async def _strike(world: World, nursery: trio.Nursery, blow: Blow) -> None:
    await trio.sleep(blow.at)
    world.journal.note(blow.harm, blow.node, blow.size)
    if blow.harm == "jump":
        world.machine.jump(blow.size)
    elif blow.harm == "outage":
        world.weather.outage(blow.node, blow.size)
    else:
        async with trio.open_nursery() as struck:
            for process in tuple(world.nodes.values()):
                if blow.node in (None, process.node):
                    struck.start_soon(_hit, world, nursery, blow, process)


async def _hit(world: World, nursery: trio.Nursery, blow: Blow, process: Process) -> None:
    match blow.harm:
        case "freeze":
            process.freeze()
            await trio.sleep(blow.size)
            process.thaw()
        case "kill":
            world.kill(process)
            await trio.sleep(blow.size)
            world.start(nursery, process.node)
        case _:
            world.stop(process, grace=blow.size)
            await process.over.wait()
            await trio.sleep(blow.size)
            world.start(nursery, process.node)


def _calm(world: World, nursery: trio.Nursery) -> None:
    """End all faults; some nodes go with them, at least one stays."""
    world.journal.note("calm")
    world.weather.calm()
    for process in tuple(world.nodes.values()):
        process.thaw()
        fate = world.plan.fates[process.node]
        if fate == "kill":
            world.kill(process)
        elif fate == "stop":
            world.stop(process, grace=1.0)
    for node, fate in enumerate(world.plan.fates):
        if fate == "stay":
            nursery.start_soon(_stay, world, nursery, node)


async def _stay(world: World, nursery: trio.Nursery, node: int) -> None:
    """Start a process where none is, or where the last one is about to end."""
    process = world.nodes.get(node)
    if process is not None and process.stopping.is_set():
        await process.over.wait()
    world.start(nursery, node)


async def _rest(world: World) -> None:
    """Wait until all jobs have ended, and everything that the dead held was taken."""
    while not world.ledger.is_done or world.witness.waiting:
        await trio.sleep(1.0)
        for process, bg in tuple(world.running.items()):
            if world.ledger.is_done and not (process.stopping.is_set() or process.dead):
                await _drain(world, process, bg)
    while not world.staying.issuperset([*world.witness.owners.open, *world.witness.holders]):
        await trio.sleep(1.0)


async def _drain(world: World, process: Process, bg: bgjobs.BgJobs) -> None:
    """Wait as a user would, and see whether what it waited for is so."""
    drained = await bg.drain(with_delayed=True)
    left = [row.id for row in world.witness.waiting]
    world.journal.expect(drained and not left, f"{process.name} is drained, but for {left}")


async def _end(world: World) -> None:
    """Stop what runs, and wait for it."""
    world.is_closing = True
    for process in tuple(world.nodes.values()):
        world.stop(process, grace=LEASE)
    for process in tuple(world.nodes.values()):
        await process.over.wait()
