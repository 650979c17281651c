// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Workbench.Subject.Plan;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.message.MessageSigner;
import java.io.Closeable;
import java.io.IOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** The heartbeats of 10,000 agents, one each 30 seconds, which a thread sends until it is closed. */
final class Heartbeats implements Closeable {
    private static final int AGENTS = 10_000;
    private static final int A_SECOND = 350;
    private static final int CONNECTIONS = 16;

    private final Thread thread;
    private volatile @Nullable Exception failure;

    private Heartbeats(Server backend, Duration time) {
        Stock stock = Stock.ofHeartbeats(MessageSigner.of(new HmacSigner(Server.SECRET)), AGENTS);
        stock.fill(A_SECOND * (time.toSeconds() + 1));
        thread = new Thread(
                () -> {
                    try (LoadClient client = new LoadClient(backend.port(), CONNECTIONS, stock, "20")) {
                        client.open(A_SECOND).run(Duration.ZERO, time, () -> {});
                    } catch (IOException e) {
                        failure = e;
                    }
                },
                "heartbeats");
    }

    /** Starts to send for the time that a round of a plan takes. */
    static Heartbeats send(Server backend, Plan plan) {
        Heartbeats started = new Heartbeats(backend, plan.warmUp().plus(plan.measured()));
        started.thread.start();
        return started;
    }

    /** Waits until all heartbeats are sent and answered. */
    @Override
    public void close() throws IOException {
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        Exception failed = failure;
        if (failed != null) {
            throw new IOException("heartbeats failed: " + failed.getMessage(), failed);
        }
    }
}
