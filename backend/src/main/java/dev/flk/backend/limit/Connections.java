// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import java.util.concurrent.ConcurrentHashMap;

/** How many connections each address has; holds no more entries than there are connections. Safe for any thread. */
final class Connections {
    private final int mostOfAnAddress;
    private final ConcurrentHashMap<Long, Integer> open = new ConcurrentHashMap<>();

    Connections(int mostOfAnAddress) {
        this.mostOfAnAddress = mostOfAnAddress;
    }

    /** Counts one more if there may be one more. */
    boolean open(long network) {
        boolean[] opened = new boolean[1];
        open.compute(network, (key, before) -> {
            int had = before == null ? 0 : before;
            opened[0] = had < mostOfAnAddress;
            return opened[0] ? Integer.valueOf(had + 1) : before;
        });
        return opened[0];
    }

    /** Counts one more, whether there may be one more or not. */
    void add(long network) {
        open.merge(network, 1, Integer::sum);
    }

    void close(long network) {
        open.computeIfPresent(network, (key, had) -> had == 1 ? null : Integer.valueOf(had - 1));
    }

    /** How many addresses have some. */
    int addresses() {
        return open.size();
    }
}
