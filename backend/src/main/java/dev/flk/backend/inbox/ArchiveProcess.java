// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.program.cli.ErrorMessages;
import dev.flk.wal.LogArchive;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Runs the archive command, one process at a time. A file is safe if the command exits with 0. A command that runs
 * longer than the limit is killed, with its children. The output of a command is read while it runs; only its end is
 * kept, for the message of a failure. {@link #put} is for one thread, {@link #stop} for any.
 */
final class ArchiveProcess implements LogArchive.Sink {
    private static final long POLL_MILLIS = 20;
    private static final long KILL_MILLIS = 1_000;
    private static final int MAX_OUTPUT_BYTES = 1_000;
    private static final int CHUNK_BYTES = 1 << 16;

    /** The number of chunks after which the time limit is checked again, because a command may print without end. */
    private static final int CHUNKS = 64;

    private final ArchiveCommand command;
    private final Set<String> hidden;
    private final Duration limit;

    // guarded by this
    private @Nullable Process running;

    private volatile boolean stopped;

    /**
     * @param hidden the variables of the environment that the command does not get, because they contain secrets
     * @param limit the longest time of one command
     */
    ArchiveProcess(ArchiveCommand command, Set<String> hidden, Duration limit) {
        this.command = command;
        this.hidden = Set.copyOf(hidden);
        this.limit = limit;
    }

    /** Kills the running command, if there is one; from now on, {@link #put} fails. */
    synchronized void stop() {
        stopped = true;
        if (running != null) {
            kill(running);
        }
    }

    boolean isStopped() {
        return stopped;
    }

    @Override
    public void put(Path file, String name) throws IOException {
        Process process = start(file, name);
        Tail tail = new Tail();
        try (InputStream output = process.getInputStream()) {
            process.getOutputStream().close();
            boolean isOver = await(process, output, tail);
            tail.read(output);
            if (isOver) {
                throw new IOException(describe(name, "was killed after " + ErrorMessages.duration(limit), tail));
            }
            if (process.exitValue() != 0) {
                throw new IOException(describe(name, "exited with " + process.exitValue(), tail));
            }
        } finally {
            kill(process);
            synchronized (this) {
                running = null;
            }
        }
    }

    private synchronized Process start(Path file, String name) throws IOException {
        if (stopped) {
            throw new IOException("the backend stops, so " + name + " is archived after the next start");
        }
        ProcessBuilder builder = new ProcessBuilder(command.words(file, name)).redirectErrorStream(true);
        builder.environment().keySet().removeAll(hidden);
        try {
            Process started = builder.start();
            running = started;
            return started;
        } catch (IOException e) {
            throw new IOException("the archive command can't be started: " + e.getMessage(), e);
        }
    }

    /** Waits until the process has ended; kills it at the time limit, and returns whether it did. */
    private boolean await(Process process, InputStream output, Tail tail) throws IOException {
        long start = System.nanoTime();
        try {
            while (!process.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
                tail.read(output);
                if (System.nanoTime() - start >= limit.toNanos()) {
                    kill(process);
                    process.waitFor(KILL_MILLIS, TimeUnit.MILLISECONDS);
                    return true;
                }
            }
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while the archive command ran");
        }
    }

    /** Kills a process and its children; does nothing if the process has ended. */
    private static void kill(Process process) {
        if (process.isAlive()) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.toHandle().destroyForcibly(); // unlike Process.destroyForcibly, leaves its output readable
        }
    }

    private static String describe(String name, String how, Tail output) {
        String said = output.text();
        return "the archive command " + how + " for " + name + (said.isEmpty() ? " and printed nothing" : ": " + said);
    }

    /** The end of the output of a command. */
    private static final class Tail {
        private final byte[] chunk = new byte[CHUNK_BYTES];
        private byte[] kept = new byte[0];
        private boolean isCut;

        /** Reads what is available; never blocks. */
        void read(InputStream output) throws IOException {
            for (int chunks = 0; chunks < CHUNKS && output.available() > 0; chunks++) {
                int n = output.read(chunk, 0, Math.min(chunk.length, output.available()));
                if (n > 0) {
                    keep(n);
                }
            }
        }

        private void keep(int n) {
            int old = Math.max(0, Math.min(kept.length, MAX_OUTPUT_BYTES - n));
            int added = Math.min(n, MAX_OUTPUT_BYTES);
            isCut |= kept.length + n > MAX_OUTPUT_BYTES;
            byte[] next = new byte[old + added];
            System.arraycopy(kept, kept.length - old, next, 0, old);
            System.arraycopy(chunk, n - added, next, old, added);
            kept = next;
        }

        /** Returns the output in one line. */
        String text() {
            String lines = new String(kept, StandardCharsets.UTF_8)
                    .lines()
                    .map(String::strip)
                    .filter(line -> !line.isEmpty())
                    .collect(Collectors.joining(" / "));
            return isCut ? "… " + lines : lines;
        }
    }
}
