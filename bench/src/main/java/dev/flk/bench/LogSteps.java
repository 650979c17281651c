// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.wal.Log;
import dev.flk.wal.Log.Append;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Benchmarks of appends to a log on disk. Each append waits until its records are forced to disk. */
@State(Scope.Thread)
public class LogSteps {
    /** The system property with the directory in which the log gets a directory of its own. */
    public static final String DIRECTORY = "flk.bench.directory";

    private static final int GROUP = 20;
    private static final int BODY_BYTES = 600;

    private final List<Entry> one = entries(1);
    private final List<Entry> group = entries(GROUP);
    private final Log log;

    /** Opens the log in a subdirectory of the directory that {@link #DIRECTORY} names. */
    public LogSteps() {
        Path directory = Path.of(System.getProperty(DIRECTORY, ""));
        try {
            log = Log.start(
                    new DiskFiles(), LogOptions.of(directory.resolve("log-steps"), "inbox", "bench"), LogListener.NONE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @TearDown
    public void close() throws IOException {
        log.close();
    }

    private static List<Entry> entries(int count) {
        List<Entry> entries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            entries.add(new Entry('s', "bench", 1_763_632_800_000L, new byte[BODY_BYTES]));
        }
        return entries;
    }

    /** Appends one record and waits until it is forced. */
    @Benchmark
    public long appendOne() {
        return append(one);
    }

    /** Appends twenty records that share a force; the result is per record. */
    @Benchmark
    @OperationsPerInvocation(GROUP)
    public long appendTwentyTogether() {
        return append(group);
    }

    /** Checks that this process still owns the log, as the writer does after each force. */
    @Benchmark
    public void lockCheck() throws IOException {
        log.requireOwned();
    }

    private long append(List<Entry> entries) {
        CompletableFuture<Long> forced = new CompletableFuture<>();
        boolean accepted = log.append(new Append() {
            @Override
            public List<Entry> entries() {
                return entries;
            }

            @Override
            public void forced(long firstSequence) {
                forced.complete(firstSequence);
            }

            @Override
            public void failed(IOException cause) {
                forced.completeExceptionally(cause);
            }
        });
        if (!accepted) {
            throw new IllegalStateException("the log rejected the append");
        }
        return forced.join();
    }
}
