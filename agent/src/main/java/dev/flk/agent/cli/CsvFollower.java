// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.follow.Positions;
import dev.flk.agent.follow.Source;
import dev.flk.agent.follow.SourceFile;
import dev.flk.agent.outbox.CertificateSink.OutboxFull;
import dev.flk.agent.source.Intake;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * The follower of a CSV that grows and is rotated. It adds a certificate to the outbox for every complete window. The
 * position is stored in a file next to the CSV, and a restart continues there. Following ends when {@link #stop} is
 * called.
 */
final class CsvFollower {
    private static final long LOOK_EVERY_MILLIS = 500;

    private final AgentConfig config;
    private final Path csv;
    private final Context context;
    private final BooleanSupplier looks;
    private final CountDownLatch stop = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);

    CsvFollower(AgentConfig config, Path csv, Context context) {
        this.config = config;
        this.csv = csv;
        this.context = context;
        this.looks = this::isStopped;
    }

    /**
     * Creates a follower for tests.
     *
     * @param looks waits until the files are looked at again; returns whether following was stopped
     */
    CsvFollower(AgentConfig config, Path csv, Context context, BooleanSupplier looks) {
        this.config = config;
        this.csv = csv;
        this.context = context;
        this.looks = looks;
    }

    /**
     * Certifies windows until {@link #stop} is called. Returns the number of windows whose certificates were added to
     * the outbox, in this run and in earlier runs.
     */
    long run(Source source, Certifier certifier) throws IOException, MalformedCsv {
        Runtime.getRuntime().addShutdownHook(new Thread(this::end, "shutdown"));
        Positions positions = Positions.read(Positions.file(csv));
        try (SourceFile file = SourceFile.follow(csv, source, certifier, positions)) {
            boolean hasMore = true;
            while (hasMore || !looks.getAsBoolean()) {
                try {
                    hasMore = positions.advance("", file, this::add);
                } finally {
                    positions.write();
                }
            }
            return file.counts().windows();
        } finally {
            ended.countDown();
        }
    }

    /** Adds certificates; waits while the outbox is full. */
    private void add(List<byte[]> certificates) throws IOException {
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
                    reported = true;
                }
                if (isStopped()) {
                    throw e;
                }
            }
        }
    }

    /**
     * Waits at most half a second for a call of {@link #stop}, and returns whether {@link #stop} was called. If not,
     * the caller looks at the file or the outbox again.
     */
    private boolean isStopped() {
        try {
            return stop.await(LOOK_EVERY_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return true;
        }
    }

    private static boolean add(Intake intake, List<byte[]> certificates) throws IOException {
        intake.add(certificates);
        return true;
    }

    /**
     * Requests the end of following, which comes after the lines that the file has at the moment, or earlier if the
     * outbox is full. Does not block. Any thread.
     */
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
