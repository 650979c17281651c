// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import dev.flk.agent.outbox.certificate.CertificateSink;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.logging.LineLimit;
import java.io.Closeable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The intake of a spool directory on its own thread, so that sending continues and the process can still end if the
 * file system of the directory hangs.
 */
public final class SpoolIntake implements Closeable {
    /** The setting that names the spool directory. */
    public static final Key<Path> DIRECTORY = Key.of(
            "SPOOL_DIR",
            Quantities::path,
            "A directory whose `.ndjson` and `.json` files are submitted while the agent runs.");

    private static final long EVERY_MILLIS = 1000;
    private static final long LONGEST_CLOSE_MILLIS = 1000;

    private final SpoolDirectory spool;
    private final Intake intake;
    private final Thread thread = new Thread(this::run, "flk-agent-spool");
    /** The requested passes that have not begun; each future completes at the end of its pass. */
    private final LinkedBlockingQueue<CompletableFuture<Boolean>> passes = new LinkedBlockingQueue<>();

    private volatile List<String> leftBehind = List.of();
    private volatile @Nullable Throwable failure;
    private volatile boolean stopping;

    private SpoolIntake(SpoolDirectory spool, Intake intake) {
        this.spool = spool;
        this.intake = intake;
        thread.setDaemon(true);
    }

    /**
     * Starts an intake of the files in a directory. The intake runs until it is stopped. It compares a file's
     * modification time with the clock to decide whether the file may still be growing.
     */
    public static SpoolIntake start(Path directory, CertificateSink outbox, InstantSource clock, LineLimit limit) {
        Intake intake = new Intake(outbox);
        SpoolIntake started = new SpoolIntake(new SpoolDirectory(directory, intake, clock, limit), intake);
        started.thread.start();
        return started;
    }

    /**
     * Returns why a path can't be the spool directory; empty if the path leads to a directory. The agent does not
     * create the directory, because producers might not be able to write to it, and because a mistyped name would go
     * unnoticed.
     */
    public static Optional<String> objection(Path directory) {
        return Files.isDirectory(directory)
                ? Optional.empty()
                : Optional.of("SPOOL_DIR: " + directory
                        + (Files.exists(directory)
                                ? " is a file; name a directory"
                                : " does not exist; create it, writable for the programs that put files there"));
    }

    /** Returns whether a path is directly in the spool directory and has the ending of a file to submit. */
    public static boolean takes(Path directory, Path file) {
        String name = String.valueOf(file.getFileName());
        return directory.equals(file.getParent()) && (name.endsWith(".json") || name.endsWith(".ndjson"));
    }

    private void run() {
        boolean more = true;
        try {
            while (!stopping) {
                CompletableFuture<Boolean> pass = passes.poll(more ? 0 : EVERY_MILLIS, TimeUnit.MILLISECONDS);
                long before = intake.added();
                do {
                    more = spool.step();
                    leftBehind = spool.leftBehind();
                } while (pass != null && more && !stopping);
                if (pass != null) {
                    pass.complete(intake.added() > before);
                }
            }
        } catch (InterruptedException | RuntimeException | Error e) {
            failure = e;
        }
    }

    /**
     * Requests a pass, which repeats {@link SpoolDirectory#step} until a step can add nothing more for the moment. The
     * future completes on the thread of the intake, with true if the pass added a certificate. If the intake is stopped
     * before the pass begins, or fails, the future never completes.
     */
    public CompletableFuture<Boolean> pass() {
        CompletableFuture<Boolean> pass = new CompletableFuture<>();
        passes.add(pass);
        return pass;
    }

    /** Throws an {@link IllegalStateException} if an unexpected error has ended the intake. */
    public void requireNoFailure() {
        Throwable found = failure;
        if (found != null) {
            throw new IllegalStateException("reading the spool directory has failed", found);
        }
    }

    /** Returns the result of {@link SpoolDirectory#leftBehind} at the end of the last step. */
    public List<String> leftBehind() {
        return leftBehind;
    }

    /** Makes the intake end after its current step. Does not wait for the end. */
    public void stop() {
        stopping = true;
        passes.add(new CompletableFuture<>()); // wakes the thread
    }

    /** Stops the intake, and waits at most one second for the end of the current step. */
    @Override
    public void close() {
        stop();
        try {
            thread.join(LONGEST_CLOSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
