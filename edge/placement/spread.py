"""Put the new replicas of one workload on the devices that suit best.

Best is, in this order: fewest replicas of it at the site, then on the device, fewest
replicas of anything there, most preferred labels, most free memory, first by name.
Each site keeps its devices in a heap and the sites stand in a heap of their own, since
one placement changes one device and one site: n replicas on m devices cost
O(m + n log m).
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from edge.names import NodeName, SiteName, Slot
from edge.placement import filters
from edge.placement.filters import Ask
from edge.placement.views import Load, NodeView, free_memory

Rank = tuple[int, int, int, int, NodeName]


def spread(
    ask: Ask,
    slots: Sequence[Slot],
    nodes: Mapping[NodeName, NodeView],
    loads: Mapping[NodeName, Load],
    here: Iterable[NodeName],
) -> dict[Slot, NodeName]:
    """Return a device for each slot, as far as they go; adds them to ``loads``.

    ``here`` names the devices of the replicas that have a place already, one for each.
    A slot that finds none leaves none for those after it either.
    """
    counts = Counter(here)
    sites = _ranked(ask, nodes, loads, counts)
    queue = _queue(sites, Counter(nodes[name].site for name in counts.elements()))
    places: dict[Slot, NodeName] = {}
    for slot in slots:
        if not queue:
            break
        there, (*_, name), site = heapq.heappop(queue)
        heapq.heappop(sites[site])
        places[slot] = name
        loads[name].add(slot, ask.workload)
        counts[name] += 1
        if filters.reason(ask, nodes[name], loads[name]) is None:
            rank = _rank(ask, nodes[name], loads[name], counts[name])
            heapq.heappush(sites[site], rank)
        if sites[site]:
            heapq.heappush(queue, (there + 1, sites[site][0], site))
    return places


def _ranked(
    ask: Ask,
    nodes: Mapping[NodeName, NodeView],
    loads: Mapping[NodeName, Load],
    counts: Counter[NodeName],
) -> dict[SiteName, list[Rank]]:
    """Return for each site the heap of its devices that may take one."""
    sites: dict[SiteName, list[Rank]] = {}
    for name, node in nodes.items():
        if filters.reason(ask, node, loads[name]) is None:
            rank = _rank(ask, node, loads[name], counts[name])
            sites.setdefault(node.site, []).append(rank)
    for ranks in sites.values():
        heapq.heapify(ranks)
    return sites


def _queue(
    sites: Mapping[SiteName, list[Rank]], counts: Counter[SiteName]
) -> list[tuple[int, Rank, SiteName]]:
    """Return the heap of sites: how many are there, and the best device of each."""
    queue = [(counts[site], ranks[0], site) for site, ranks in sites.items()]
    heapq.heapify(queue)
    return queue


def _rank(ask: Ask, node: NodeView, load: Load, count: int) -> Rank:
    """Return how well a device suits, the smallest first."""
    wanted = ask.workload.prefer.items()
    liked = sum(node.labels.get(key) == value for key, value in wanted)
    return count, load.replicas, -liked, -free_memory(node, load), node.name
