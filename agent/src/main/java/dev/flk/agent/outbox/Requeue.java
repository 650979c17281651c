// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.OutboxInspector.HistoryEntry;
import dev.flk.program.cli.ErrorMessages;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The settled certificates of a time that wait again, because a backend has lost them. They keep their sequences and
 * the times at which they were added, and are appended to the log as if compaction had moved them. A crash may end this
 * in the middle; it can then be repeated. The agent sends newer certificates first.
 */
public final class Requeue {
    /** The most certificates that wait again at a time; each needs about 250 bytes of memory. */
    static final int MOST = 100_000;

    /** Times of a backend may differ by this much from those of the agent. */
    private static final Duration CLOCKS_DIFFER = Duration.ofMinutes(10);

    private static final int PORTION_BYTES = 1 << 20;

    private final Outbox outbox;
    private final Path directory;
    private final Selection selection;

    Requeue(Outbox outbox, Path directory, Selection selection) {
        this.outbox = outbox;
        this.directory = directory;
        this.selection = selection;
    }

    /**
     * The certificates that wait again: those with an outcome that were answered since one time and added until
     * another, each with ten minutes more.
     *
     * @param notBefore the time before which an added certificate is too old: a backend may have forgotten its outcome,
     *     and would decide it a second time
     */
    public record Selection(Instant since, Optional<Instant> until, Optional<String> shard, Instant notBefore) {
        private boolean contains(HistoryEntry found) {
            SettledAs how = found.settlement().orElse(SettledAs.LOST);
            return (how == SettledAs.ACCEPTED || how == SettledAs.ESCALATED)
                    && found.settledMillis() >= since.minus(CLOCKS_DIFFER).toEpochMilli()
                    && until.map(end -> end.plus(CLOCKS_DIFFER).toEpochMilli())
                            .filter(end -> found.entry().addedMillis() > end)
                            .isEmpty()
                    && shard.filter(name -> !name.equals(Shards.nameIn(found.certificate(), 0)))
                            .isEmpty();
        }
    }

    /**
     * The selected certificates.
     *
     * @param bytes the total length of the {@code certificates} that wait again
     * @param tooOld the number of certificates that stay settled, because they were added before the limit
     */
    public record Counts(int certificates, long bytes, int tooOld) {}

    private interface Step {
        void take(HistoryEntry found) throws IOException;
    }

    /** Counts the selected certificates of an outbox, which another process may own. */
    public static Counts count(Path directory, Selection selection) throws IOException {
        return forEach(directory, selection, found -> {});
    }

    private static Counts forEach(Path directory, Selection selection, Step step) throws IOException {
        int[] counts = new int[2];
        long[] bytes = new long[1];
        try {
            new OutboxInspector(directory).history(found -> {
                if (!selection.contains(found)) {
                    return;
                }
                boolean isOld =
                        found.entry().addedMillis() < selection.notBefore().toEpochMilli();
                counts[isOld ? 1 : 0]++;
                if (!isOld) {
                    bytes[0] += found.certificate().length;
                    try {
                        step.take(found);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                }
            });
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        return new Counts(counts[0], bytes[0], counts[1]);
    }

    /** @throws IOException if there are too many certificates, or the outbox has no room; nothing has changed then */
    Counts run() throws IOException {
        Counts counts = count(directory, selection);
        if (counts.certificates() > MOST) {
            throw new IOException("these are " + ErrorMessages.count(counts.certificates(), "certificate")
                    + "; at most " + MOST + " can wait again at a time: give --until or --shard");
        }
        long room = (outbox.maxBytes() - outbox.space().usedBytes()) / 2; // the other half is for new certificates
        if (counts.bytes() > room) {
            throw new IOException("these certificates need " + ErrorMessages.bytes(counts.bytes()) + ", and the outbox "
                    + directory + " has " + ErrorMessages.bytes(Math.max(0, room))
                    + " for them: give --until or --shard, or raise OUTBOX_MAX_BYTES");
        }
        List<HistoryEntry> portion = new ArrayList<>();
        long[] bytes = new long[1];
        Counts done = forEach(directory, selection, found -> {
            portion.add(found);
            bytes[0] += found.certificate().length;
            if (bytes[0] >= PORTION_BYTES) {
                outbox.await(outbox.waitAgain(List.copyOf(portion)));
                portion.clear();
                bytes[0] = 0;
            }
        });
        outbox.await(outbox.waitAgain(portion));
        return done;
    }
}
