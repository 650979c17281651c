// SPDX-License-Identifier: Apache-2.0
package dev.flk.testkit;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;

/** Chooses a port for a server that must know the number before it starts. */
public final class FreePort {
    /** The lowest port that can be chosen. */
    private static final int FIRST = 12_000;

    private static final int BEHIND = 22_000;
    /** The offset from the port of a Redis Cluster node to its second port. */
    private static final int CLUSTER_BUS = 10_000;

    private static final int TRIES = 100;

    private FreePort() {}

    /**
     * Returns a loopback port that is free, as is the second port for a Redis Cluster. Both are below the ports that
     * the kernel assigns to clients, so that no client takes them before the server does.
     */
    public static int choose() {
        for (int i = 0; i < TRIES; i++) {
            int port = ThreadLocalRandom.current().nextInt(FIRST, BEHIND);
            if (isFree(port) && isFree(port + CLUSTER_BUS)) {
                return port;
            }
        }
        throw new IllegalStateException("no free port in " + TRIES + " tries");
    }

    private static boolean isFree(int port) {
        try (ServerSocket free = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
            return free.isBound();
        } catch (IOException inUse) {
            return false;
        }
    }
}
