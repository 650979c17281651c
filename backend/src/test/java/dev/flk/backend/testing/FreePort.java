// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.testing;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;

/** A port for a server that must know its number before it starts. */
public final class FreePort {
    /**
     * The lowest port to choose. All are below those that the kernel gives to clients, so that no client takes the port
     * before the server does.
     */
    private static final int FIRST = 20_000;

    private static final int BEHIND = 32_000;
    private static final int TRIES = 100;

    private FreePort() {}

    /** Returns a port of the loopback interface on which nothing listens. */
    public static int choose() {
        for (int i = 0; i < TRIES; i++) {
            int port = ThreadLocalRandom.current().nextInt(FIRST, BEHIND);
            try (ServerSocket free = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return free.getLocalPort();
            } catch (IOException e) {
                // the port is in use; try the next one
            }
        }
        throw new IllegalStateException("no free port in " + TRIES + " tries");
    }
}
