// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.follow.Positions.Sink;
import dev.flk.agent.follow.Source;
import dev.flk.agent.follow.SourceState;
import dev.flk.agent.follow.Sources;
import dev.flk.agent.outbox.certificate.CertificateSink.OutboxFull;
import dev.flk.agent.source.Intake;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * The loop of {@code certify --follow}: a source with one file that grows and is rotated, whose certificates are added
 * to the outbox until the process is stopped. Its positions are in a folder of its own below the one of the outbox.
 */
final class FollowLoop implements Sink {
    private static final long LOOK_EVERY_MILLIS = 500;

    private final AgentConfig config;
    private final Context context;
    private final CountDownLatch stop = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);

    FollowLoop(AgentConfig config, Context context) {
        this.config = config;
        this.context = context;
    }

    /**
     * Certifies windows until the process is stopped, or the file can't be read any more. Returns the number of
     * certified windows, also of earlier runs.
     */
    long run(Source source, Path csv, Consumer<String> lines) throws IOException {
        Runtime.getRuntime().addShutdownHook(new Thread(this::end, "shutdown"));
        try (Sources sources = Sources.ofCommand(config.outbox().directory().resolve("follow"), source, csv, lines)) {
            boolean hasMore = true;
            SourceState state = sources.states().get(0);
            while (hasMore || !isStopped()) {
                hasMore = sources.round(this);
                state = sources.states().get(0);
                if (state.files() == 0 && state.problem() != null) {
                    throw new IOException(state.problem());
                }
            }
            return state.windows();
        } catch (CancellationException e) {
            throw new IOException("stopped while the outbox was full", e);
        } finally {
            ended.countDown();
        }
    }

    /** Adds certificates; waits while the outbox is full. */
    @Override
    public void add(List<byte[]> certificates) throws IOException {
        boolean reported = false;
        while (true) {
            try {
                OutboxAccess.either(
                        config,
                        outbox -> add(new Intake(outbox), certificates),
                        agent -> add(new Intake(agent), certificates));
                return;
            } catch (OutboxFull e) {
                if (!reported) {
                    context.complain(e.getMessage() + "; waiting");
                }
                reported = true;
                if (isStopped()) {
                    throw new CancellationException();
                }
            }
        }
    }

    private static boolean add(Intake intake, List<byte[]> certificates) throws IOException {
        intake.add(certificates);
        return true;
    }

    /** Waits for half a second, or until the process is stopped, and returns whether it is. */
    private boolean isStopped() {
        try {
            return stop.await(LOOK_EVERY_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return true;
        }
    }

    /** Requests the end, which comes after the lines that the file has at the moment. Does not block. Any thread. */
    void stop() {
        stop.countDown();
    }

    private void end() {
        stop();
        try {
            if (!ended.await(9, TimeUnit.SECONDS)) {
                context.complain("following did not end within 9 s, perhaps because a disk hangs;"
                        + " exiting without waiting any longer");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
